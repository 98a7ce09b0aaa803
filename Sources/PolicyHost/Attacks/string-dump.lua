-- class: leak
-- attack: string.dump shows the bytecode and constants of any function.
-- expect: OK
-- within: 50
local dump = string.dump or ("").dump
return dump and "ESCAPED " .. #dump(function() return "secret" end) .. " bytes of code" or "SAFE"
