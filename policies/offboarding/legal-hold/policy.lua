-- What a court may ask for stays. contracts.lua keeps other policies from purging it all the same.
return {
  id = "offboarding.legal-hold",
  api = 1,
  summary = "Keeps what is under a legal hold, and tells staff.",

  on_offboard = function(request)
    if request.has_legal_hold and request.stage == "retention_over" then return plan{ notify_staff{ reason = "legal_hold" } } end
  end,

  on_data_request = function(request)
    if request.has_legal_hold and request.kind == "erasure" then
      return plan{ refuse_request{ reason = "legal_hold" }, restrict_processing{}, notify_staff{ reason = "legal_hold" } }
    end
  end,
}
