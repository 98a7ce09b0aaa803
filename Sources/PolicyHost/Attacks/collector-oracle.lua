-- class: leak
-- attack: the collector tells how much memory others use, and can be stopped.
-- expect: OK
-- within: 50
return collectgarbage and "ESCAPED " .. collectgarbage("count") or "SAFE"
