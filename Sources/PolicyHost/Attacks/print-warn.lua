-- class: integrity
-- attack: lines that look like the server's own in its log.
-- expect: OK
-- within: 50
return (print or warn) and "ESCAPED the server's output" or "SAFE"
