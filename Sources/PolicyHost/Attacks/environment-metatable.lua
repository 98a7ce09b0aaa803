-- class: escape
-- attack: the fallback of the environment, behind which the shared functions lie, is replaced.
-- expect: ERR
-- within: 50
if getmetatable(_ENV) then return "ESCAPED the environment's metatable is readable" end
setmetatable(_ENV, { __index = function() return "stolen" end })
return "ESCAPED"
