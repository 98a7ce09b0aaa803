-- class: leak
-- attack: globals are left for the next call, and for whoever is next in the process.
-- expect: OK
-- within: 50
if kept then return "ESCAPED a global survived" end
kept = "secret"
rawset(_ENV, "kept_too", "secret")
return "done"
--@@ tenant B
return (kept or kept_too) and "ESCAPED something survived" or "SAFE"
