-- wrk: KIND heartbeat beats the sessions of SESSIONS ("session token" a line), KIND acquire asks for a device never seen, tokens of TOKENS in turn.
local kind, path = os.getenv("KIND"), os.getenv("TARGET")
-- `thread` is a global: setup() sets it from outside, and a local of that name would hide it.
thread = 0
local threads, count = 0, 0
local made, tokens = {}, {}
local function headers(token) return { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. token } end
function setup(other) other:set("thread", threads) threads = threads + 1 end
function init()
  if kind == "heartbeat" then
    for line in io.lines(os.getenv("SESSIONS")) do
      local session, token = line:match("^(%S+) (%S+)$")
      made[#made + 1] = wrk.format("POST", path, headers(token), '{"session_id":"' .. session .. '"}')
    end
  else
    for line in io.lines(os.getenv("TOKENS")) do tokens[#tokens + 1] = headers(line) end
  end
end
function request()
  count = count + 1
  if kind == "heartbeat" then return made[(count + thread * 500) % #made + 1] end
  return wrk.format("POST", path, tokens[count % #tokens + 1],
    '{"hardware_id":"' .. os.getenv("RUN") .. "-" .. thread .. "-" .. count .. '","hostname":"bench","os":"linux","version":"1"}')
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("FIGURES %d %d %d %.3f %.3f %d\n", summary.requests, summary.duration, errors.status,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, errors.connect + errors.read + errors.write + errors.timeout))
end
