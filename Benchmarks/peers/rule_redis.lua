-- The same rule as a script of Redis: ARGV are role, weekday, hour, minute, and what the record keeps besides; one entry a decision.
local role, weekday, hour, minute = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local answer = { outcome = "allow", terms = { overdraft_seats = 2 } }
if role == "contractor" then
  if weekday > 5 then
    answer = { outcome = "deny", reason = "weekend" }
  elseif hour < 8 then
    answer = { outcome = "deny", reason = "outside_hours", retry_after_seconds = (8 - hour) * 3600 - minute * 60 }
  elseif hour >= 18 then
    answer = { outcome = "deny", reason = "outside_hours" }
  end
end
local text = cjson.encode(answer)
redis.call("RPUSH", KEYS[1], ARGV[5] .. text)
redis.call("LTRIM", KEYS[1], -1000, -1)
return text
