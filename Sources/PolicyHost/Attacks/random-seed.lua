-- class: integrity
-- attack: random numbers that a replay cannot draw again.
-- expect: OK
-- within: 50
local drawn = {}
for i = 1, 6 do drawn[i] = math.random(1, 1000000) end
local text = table.concat(drawn, " ")
return text == "607536 355701 545680 542445 94748 162091" and math.randomseed == nil and "SAFE" or "ESCAPED " .. text
