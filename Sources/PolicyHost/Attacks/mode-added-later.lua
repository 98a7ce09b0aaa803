-- class: escape
-- attack: the metatable becomes weak after it was checked: a use after free in 5.4.4.
-- expect: OK
-- within: 250
local mode = {}
local weak = setmetatable({}, mode)
mode.__mode = "v"
getmetatable(weak).__mode = "v"
weak[1] = {}
local hold = {}
for i = 1, 30 do hold[i] = ("x"):rep(200000) .. i end
for i = 1, 3000 do local garbage = { i } end
return weak[1] and "SAFE" or "ESCAPED the collector took what was still named"
