-- Renews a seat that lives. KEYS: seats, limits. ARGV: session. Answers {1, seconds} or {0, 0}.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) <= now then return { 0, 0 } end
local seconds = tonumber(redis.call('HGET', KEYS[2], 'seconds'))
redis.call('ZADD', KEYS[1], now + seconds * 1000, ARGV[1])
return { 1, seconds }
