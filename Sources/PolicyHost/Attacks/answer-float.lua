-- class: integrity
-- attack: money as a float, and what is no number at all.
-- expect: ERR
-- within: 50
return { amount_minor = 0.1 + 0.2, ratio = 0/0 }
