-- One seat. All keys share the hash tag {tenant}, so that the script runs in a cluster. Time is Redis' own.
-- KEYS: seats (sorted set: session, score = end in ms), devices (hash: device to session), holders (hash: session to device), limits (hash).
-- ARGV: device, a session for it should it have none. Answers {code, session, used, total, end in ms}; code 1 granted, 0 full, -1 no such tenant.
local limits = redis.call('HMGET', KEYS[4], 'seats', 'seconds')
if not limits[1] then return { -1, '', 0, 0, 0 } end
local total, length = tonumber(limits[1]), tonumber(limits[2]) * 1000
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- A bounded sweep. The count below looks at live ends only, so nothing rests on it.
for _, session in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 64)) do
  local device = redis.call('HGET', KEYS[3], session)
  if device then
    if redis.call('HGET', KEYS[2], device) == session then redis.call('HDEL', KEYS[2], device) end
    redis.call('HDEL', KEYS[3], session)
  end
  redis.call('ZREM', KEYS[1], session)
end
local ends = now + length
local own = redis.call('HGET', KEYS[2], ARGV[1])
if own then
  local score = redis.call('ZSCORE', KEYS[1], own)
  if score and tonumber(score) > now then
    redis.call('ZADD', KEYS[1], ends, own)
    return { 1, own, redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf'), total, ends }
  end
end
local used = redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf')
if used >= total then return { 0, '', used, total, 0 } end
redis.call('ZADD', KEYS[1], ends, ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[1])
return { 1, ARGV[2], used + 1, total, ends }
