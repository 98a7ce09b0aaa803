-- class: crash
-- attack: patterns that end in the middle of an item.
-- expect: OK
-- within: 50
for _, p in ipairs{ "%", "[", "[^", "[a", "[%", "[a-", "[]", "[^]", "%b", "%bx", "%f", "%fa", "(", ")", "()(", "%1", "(%1)", "%9", "%0",
  "(()", "a%", "[%a", "[%]", "^*", "*", "-", "?", "+", "$", "^", "^$", "\0", "[\0-\255]", "%z", ("("):rep(40), ("()"):rep(40) } do
  pcall(string.find, "ab(c)]", p)
  pcall(string.match, "ab(c)]", p)
  pcall(string.gsub, "ab(c)]", p, "%0%1%9")
  pcall(function() for a in ("ab(c)]"):gmatch(p) do local b = a end end)
end
return "SAFE"
