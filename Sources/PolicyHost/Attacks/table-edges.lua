-- class: crash
-- attack: places and lengths at the end of what a number holds.
-- expect: OK
-- within: 100
local big, low = math.maxinteger, math.mininteger
for _, try in ipairs{
  function() table.insert({}, big, 1) end, function() table.insert({}, low, 1) end, function() table.remove({}, big) end,
  function() table.move({}, low, big, 1) end, function() table.move({}, 1, 2, big) end, function() table.unpack({}, low, big) end,
  function() table.unpack({}, big - 1, big) end, function() table.concat({}, "", low, big) end, function() table.insert({}, 1, 2, 3) end,
  function() return ("x"):rep(big) end, function() return ("x"):rep(big, ("y"):rep(100)) end, function() return ("xy"):rep(big // 2 + 1) end,
  function() return select(low, 1) end, function() return ("abc"):byte(low, big) end, function() string.char(big) end,
  function() return utf8.char(big) end, function() return utf8.codepoint("abc", low, big) end, function() return math.random(low, big) end,
  function() return big // -1, low // -1, low % -1 end, function() return 1 // 0 end, function() return math.tointeger(2^63) end,
} do pcall(try) end
if ("abc"):sub(low, big) ~= "abc" or ("abc"):sub(big) ~= "" or ("abc"):sub(0, low) ~= "" then return "ESCAPED sub" end
if table.unpack({ [big] = 7 }, big, big) ~= 7 then return "ESCAPED unpack" end
return "SAFE"
