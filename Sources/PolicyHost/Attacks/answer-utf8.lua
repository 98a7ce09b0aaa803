-- class: integrity
-- attack: bytes that are no UTF-8 would be another text after they crossed.
-- expect: ERR
-- within: 50
return { role = "admin\xc0\x80" }
