-- What follows when a single member leaves. Sessions, keys and seats are over with the membership, whatever is said here.
return {
  id = "offboarding.leavers",
  api = 1,
  summary = "Keeps the workstation of a member who left for some days, for the owners.",
  settings = {
    workstation_days = { type = "integer", min = 0, max = 365, default = 7, summary = "0 deletes it at once." },
    hand_over = { type = "boolean", default = true, summary = "Owners may open what is kept." },
    notice_days = { type = "integer", min = 0, max = 90, default = 0, summary = "Between asking to leave and leaving; contractors go at once." },
  },

  on_offboard = function(request, settings)
    if request.subject ~= "member" or request.user.is_last_owner then return end
    if request.stage == "requested" then
      if settings.notice_days == 0 or request.user.role == "contractor" then return end
      return plan{ end_membership{ after_days = settings.notice_days } }
    elseif request.stage == "period_end" then
      if not request.has_workstation or settings.workstation_days == 0 then
        return plan{ end_membership{}, revoke_access{}, end_shares{} }
      elseif not settings.hand_over then
        return plan{ end_membership{}, revoke_access{}, end_shares{}, keep_workstation{ days = settings.workstation_days } }
      end
      return plan{
        end_membership{}, revoke_access{}, end_shares{}, keep_workstation{ days = settings.workstation_days },
        hand_over{ to = "owner" }, send_mail{ template = "member_left" },
      }
    end
  end,
}
