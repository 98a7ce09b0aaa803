-- class: crash
-- attack: a number among the names: who asks for a key's text while walking corrupts the walk.
-- expect: ERR
-- within: 50
return { [1] = "a", [2] = "b", x = "c" }
