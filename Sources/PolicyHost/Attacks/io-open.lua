-- class: escape
-- attack: files of the server are read.
-- expect: OK
-- within: 50
if not io then return "SAFE" end
local file = io.open("/etc/passwd")
return file and "ESCAPED " .. file:read("l") or "ESCAPED io"
