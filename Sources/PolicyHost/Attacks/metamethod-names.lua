-- class: escape
-- attack: metamethods that lie about types or hide metatables.
-- expect: OK
-- within: 50
for _, name in ipairs{ "__gc", "__mode", "__name", "__metatable", "__pairs", "__index ", "__GC" } do
  if name:sub(1, 3) ~= "__i" and name ~= "__GC" and pcall(setmetatable, {}, { [name] = "k" }) then return "ESCAPED " .. name end
end
return "SAFE"
