-- class: integrity
-- attack: a length that is no multiple of the meter's step: what one call leaves of a step, the next one would pay.
-- expect: OK
-- within: 50
return { on_call = function()
  local n = 0
  for i = 1, 175 do n = n + i end
  return "SAFE " .. n
end }
