-- Reads what is due in some indexes of one shard. Writes nothing.
--
-- KEYS     the indexes (sorted sets by epoch ms)
-- ARGV[1]  how many entries to return of each, at most
-- Returns  { now_ms, { { member, score, member, score, ... }, score of the next entry or false }, ... }
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit = tonumber(ARGV[1])

local answer = { now }
for k, key in ipairs(KEYS) do
  local entries = redis.call('ZRANGE', key, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
  local count = #entries / 2
  local next_entry = redis.call('ZRANGE', key, count, count, 'WITHSCORES')
  answer[k + 1] = { entries, next_entry[2] or false }
end
return answer
