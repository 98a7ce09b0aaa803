-- class: crash
-- attack: allow, plan and actions are given what they do not expect.
-- expect: OK
-- within: 50
local lying = setmetatable({}, { __len = function() return 1e9 end, __index = function() error("read") end, __pairs = nil })
for _, value in ipairs{ 1, "x", error, true } do
  if pcall(allow, value) or pcall(plan, value) or pcall(send_mail, value) then return "ESCAPED a " .. type(value) end
end
pcall(plan, lying)
pcall(allow, {}, {})
if pcall(plan, { allow{} }) or pcall(plan, { {} }) then return "ESCAPED a plan of what is no action" end
return "SAFE"
