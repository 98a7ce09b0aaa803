-- class: leak
-- attack: a global, a library field and a method on strings are left for whoever is next in the same process.
-- expect: OK
-- within: 50
kept = "secret"
string.kept = "secret"
math.kept = "secret"
rawset(table, "kept", "secret")
return "done"
--@@ tenant B
return (kept or string.kept or math.kept or table.kept) and "ESCAPED something survived" or "SAFE"
