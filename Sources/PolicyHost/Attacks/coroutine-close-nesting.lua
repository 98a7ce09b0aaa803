-- class: crash
-- attack: before 5.4.5 closing a coroutine forgets how deep C already is: each closes the next, over the end of the stack.
-- expect: ERR
-- within: 500
-- budget: memory_bytes=67108864
local co, n = {}, 12000
for i = 1, n do
  co[i] = coroutine.create(function()
    local x <close> = setmetatable({}, { __close = function() if co[i + 1] then coroutine.close(co[i + 1]) end end })
    coroutine.yield()
  end)
  coroutine.resume(co[i])
end
coroutine.close(co[1])
return "bottomed out"
