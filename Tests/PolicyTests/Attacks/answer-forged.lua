-- class: integrity
-- attack: the answer that allow made is turned into something else, then into a loop.
-- expect: ERR
-- within: 100
local answer = allow{ a = 1 }
rawset(answer, 3, answer)
return answer
