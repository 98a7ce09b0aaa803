-- class: integrity
-- attack: a NUL ends the text for one reader and not for another.
-- expect: ERR
-- within: 50
return { role = "admin\0-not" }
