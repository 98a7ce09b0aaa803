-- class: dos
-- attack: the same by another list: the ends of seventeen thousand branches.
-- expect: KILLED_CPU
-- within: 250
if a then
--@@ repeat 16000 elseif a then 
end
return "compiled"
