-- class: crash
-- attack: sequences that are cut off, overlong or too large.
-- expect: OK
-- within: 50
for _, s in ipairs{ "\xff", "\xc0\x80", "\xf4\x90\x80\x80", "\xed\xa0\x80", "\xe2\x82", ("\x80"):rep(100), "" } do
  pcall(utf8.len, s) pcall(utf8.codepoint, s, 1, -1) pcall(utf8.offset, s, 5)
  pcall(function() for p, c in utf8.codes(s) do local x = p + c end end)
end
pcall(utf8.char, -1) pcall(utf8.char, 0x80000000) pcall(utf8.len, "abc", 10) pcall(utf8.offset, "abc", math.mininteger)
return "SAFE"
