-- class: crash
-- attack: arithmetic at the edges of both kinds of number.
-- expect: OK
-- within: 50
local low, nan = math.mininteger, 0/0
for _, try in ipairs{ function() return low // 0 end, function() return low % 0 end, function() return 1 << 64, 1 << -1, low >> 63 end,
  function() return math.fmod(low, 0) end, function() return math.random(0, -1) end, function() local t = {} t[nan] = 1 end,
  function() return math.tointeger(nan), math.floor(1e308), math.ult(low, 1) end, function() for i = 1, 10, 0 do end end } do pcall(try) end
if low // -1 ~= low or math.abs(low) ~= low or low % -1 ~= 0 then return "ESCAPED" end
return "SAFE"
