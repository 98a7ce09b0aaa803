-- class: integrity
-- attack: the answer that deny made is changed behind its constructor's checks.
-- expect: ERR
-- within: 100
local answer = deny("outside_hours")
rawset(answer, 3, { reason = "<script>alert(1)</script>" })
return answer
