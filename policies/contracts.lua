-- What no set of policies may ever answer. Before a set goes live it is asked everything that its own texts make a difference for; one
-- answer for which `holds` is not true refuses the whole set, with the question.
--
-- answer: outcome ("allow", "deny", "plan", "shipped_plan"), reason, terms by name, actions as a list of { name, fields }, and
-- does by name: answer.does.suspend_license is that action's fields, or nil.

-- What everybody may do to what is their own.
local own = { users = true, sessions = true, api_keys = true }
local reading = { read = true, export = true }

return {
  api = 1,
  contracts = {
    {
      name = "never above the licence plus a small overdraft",
      hook = "on_seat_request",
      holds = function(request, answer)
        local overdraft = answer.terms.overdraft_seats or 0
        return overdraft <= math.max(5, request.license.seats // 10)
      end,
    },
    {
      name = "never cut off inside grace",
      hook = "on_payment",
      holds = function(request, answer)
        if not request.subscription or request.subscription.status ~= "grace" then return true end
        if request.event.type ~= "payment_failed" then return true end
        local ending = answer.does.end_subscription
        return not answer.does.suspend_license and not (ending and ending.when == "now")
      end,
    },
    {
      name = "an auditor never writes",
      hook = "on_role_check",
      holds = function(request, answer)
        if request.user.role ~= "auditor" or answer.outcome ~= "allow" then return true end
        local resource, verb = request.permission:match("^([a-z_]+):([a-z_]+)$")
        return resource ~= nil and (own[resource] or reading[verb]) == true
      end,
    },
    {
      name = "the last owner stays",
      hook = "on_offboard",
      holds = function(request, answer)
        return not (request.subject == "member" and request.user.is_last_owner and answer.does.end_membership)
      end,
    },
    {
      name = "the last owner is not erased",
      hook = "on_data_request",
      holds = function(request, answer)
        return not (request.user.is_last_owner and answer.does.erase_data)
      end,
    },
    {
      name = "nothing under a legal hold is purged",
      hook = "on_offboard",
      holds = function(request, answer)
        return not (request.has_legal_hold and answer.does.purge_data)
      end,
    },
  },
}
