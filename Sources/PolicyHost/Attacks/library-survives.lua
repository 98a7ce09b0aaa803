-- class: leak
-- attack: a library is changed for the next call, and for whoever is next in the process.
-- expect: OK
-- within: 50
if string.kept then return "ESCAPED a library's field survived" end
string.kept, math.kept = "secret", "secret"
rawset(table, "kept", "secret")
string.format = function() return "owned" end
return "done"
--@@ tenant B
if string.kept or math.kept or table.kept or string.format("%d", 1) ~= "1" then return "ESCAPED something survived" end
return "SAFE"
