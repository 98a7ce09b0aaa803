-- class: crash
-- attack: a jump over more code than a jump can reach.
-- expect: OK|ERR
-- within: 200
local a = 1
if a == 2 then
--@@ repeat 20000 a = a + 1 ; 
end
return "SAFE"
