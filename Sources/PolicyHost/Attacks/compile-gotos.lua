-- class: dos
-- attack: thirty thousand jumps meet at one label, where the compiler moves up its list for each.
-- expect: ERR
-- within: 100
while a do
--@@ repeat 30000 goto c; 
::c:: end
