-- class: leak
-- attack: what the file's own locals keep of one request shows in the next.
-- expect: OK
-- within: 50
local seen = 0
return { on_call = function()
  seen = seen + 1
  return seen > 1 and "ESCAPED the call before is still known" or "SAFE"
end }
