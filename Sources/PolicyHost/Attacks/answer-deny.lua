-- class: integrity
-- attack: a reason that is no code goes to the client.
-- expect: OK
-- within: 50
for _, reason in ipairs{ "", "Not a code", "<script>", ("x"):rep(65), "1st", "a\nb", "a\0b" } do
  if pcall(deny, reason) then return "ESCAPED " .. reason end
end
for _, seconds in ipairs{ 0, -1, 1.5, math.maxinteger, "5" } do
  if pcall(deny, "a", { retry_after_seconds = seconds }) then return "ESCAPED " .. seconds end
end
return "SAFE"
