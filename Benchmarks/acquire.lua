-- wrk: every request asks a seat for a device that was never seen.
-- A global: setup() sets it from outside, and a local of that name would hide it.
thread = 0
local count = 0
local threads = 0
function setup(t) t:set("thread", threads); threads = threads + 1 end
function request()
  count = count + 1
  return wrk.format("POST", os.getenv("TARGET"),
    { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. os.getenv("TOKEN") },
    '{"hardware_id":"' .. os.getenv("RUN") .. "-" .. thread .. "-" .. count .. '","hostname":"bench","os":"linux","version":"1"}')
end
