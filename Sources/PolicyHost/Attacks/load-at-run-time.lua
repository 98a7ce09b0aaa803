-- class: escape
-- attack: code made at run time, from texts or from files.
-- expect: OK
-- within: 50
for name, loader in pairs{ load = load or false, loadstring = loadstring or false, loadfile = loadfile or false,
  dofile = dofile or false, require = require or false } do
  if loader then return "ESCAPED " .. name end
end
return "SAFE"
