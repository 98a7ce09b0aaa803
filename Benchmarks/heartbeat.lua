-- wrk: beats the sessions of SESSIONS (one "session_id" a line) with TOKEN.
local requests, index = {}, 0
function init()
  for line in io.lines(os.getenv("SESSIONS")) do
    requests[#requests + 1] = wrk.format("POST", os.getenv("TARGET"),
      { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. os.getenv("TOKEN") }, '{"session_id":"' .. line .. '"}')
  end
  index = math.random(#requests)
end
function request()
  index = index % #requests + 1
  return requests[index]
end
