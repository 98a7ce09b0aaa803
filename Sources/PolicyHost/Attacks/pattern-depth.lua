-- class: crash
-- attack: the matcher calls itself for each item, over the end of the stack.
-- expect: ERR
-- within: 100
return tostring(string.find(("a"):rep(60000), ("a?"):rep(60000)))
