-- class: dos
-- attack: enormous widths and precisions.
-- expect: OK
-- within: 50
for _, spec in ipairs{ "%999999999d", "%99999s", "%.999999f", "%0100d", "%-+ #0999x", "%1000c", "%.100s", "%*d", "%99", "%", "%n", "%ll", "%5" } do
  if pcall(string.format, spec, 1) then return "ESCAPED " .. spec end
end
return #string.format("%99.99f", 1e308) < 1000 and "SAFE" or "ESCAPED too wide"
