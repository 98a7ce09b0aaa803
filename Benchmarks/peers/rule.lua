-- The rule of policies/seats/contractor-hours and seats/overdraft, as content_by_lua_file of nginx: JSON in, JSON out, one log line a decision.
local cjson = require "cjson"

ngx.req.read_body()
local request = cjson.decode(ngx.req.get_body_data())
local answer = { outcome = "allow", terms = { overdraft_seats = 2 } }
if request.user.role == "contractor" then
  local now = request.now
  if now.weekday > 5 then
    answer = { outcome = "deny", reason = "weekend" }
  elseif now.hour < 8 then
    answer = { outcome = "deny", reason = "outside_hours", retry_after_seconds = (8 - now.hour) * 3600 - now.minute * 60 }
  elseif now.hour >= 18 then
    answer = { outcome = "deny", reason = "outside_hours" }
  end
end
local text = cjson.encode(answer)
ngx.var.decision = text
ngx.header.content_type = "application/json"
ngx.print(text)
