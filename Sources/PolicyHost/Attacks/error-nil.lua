-- class: crash
-- attack: an error without a value.
-- expect: ERR
-- within: 50
error(nil)
