-- class: dos
-- attack: an error message of a quarter of a megabyte, over and over.
-- expect: KILLED_CPU|KILLED_MEM
-- within: 300
local s = ("x"):rep(250000)
while true do pcall(error, s .. "y") end
