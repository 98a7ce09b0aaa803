-- class: integrity
-- attack: upper, lower and classes follow a locale, so that another host decides differently.
-- expect: OK
-- within: 50
for byte = 128, 255 do
  local s = string.char(byte)
  if s:upper() ~= s or s:lower() ~= s or s:find("%w") or s:find("%p") or s:find("%s") or s:find("%c") then return "ESCAPED " .. byte end
end
return "SAFE"
