-- class: escape
-- attack: reach the shared functions behind the environment, or replace what it falls back to.
-- expect: ERR
-- within: 50
if getmetatable(_ENV) then return "ESCAPED the environment's metatable is readable" end
setmetatable(_ENV, { __index = function() return "stolen" end })
return "ESCAPED"
