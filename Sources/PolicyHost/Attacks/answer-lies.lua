-- class: integrity
-- attack: metamethods of the answer run while it is read, and lie.
-- expect: OK
-- within: 100
return setmetatable({}, { __len = function() return 1000000 end, __index = function() return 1 end, __call = error })
--@@ tenant B
return "SAFE"
