-- Reads a bounded stretch of each of some indexes of one shard. Writes nothing.
--
-- KEYS     the indexes (sorted sets by epoch ms)
-- ARGV     to (inclusive, '+inf': no bound), how many entries of each at most, then for each index where
--          to begin: an epoch ms ('(' before it leaves the entries of that moment to be given, '-inf': from
--          the start) and a member ('' for none) of that moment, after which its entries are given
-- Returns  { { member, score, ... }, ... one list an index }
local to, room = tonumber(ARGV[1]) or math.huge, tonumber(ARGV[2])

local answer = {}
for k, key in ipairs(KEYS) do
  local score, member = ARGV[1 + 2 * k], ARGV[2 + 2 * k]
  local first = member ~= '' and rank_after(key, score, member) or redis.call('ZCOUNT', key, '-inf', score)
  local entries = redis.call('ZRANGE', key, first, first + room - 1, 'WITHSCORES')
  local found = {}
  for e = 1, #entries, 2 do
    if tonumber(entries[e + 1]) > to then break end
    found[e], found[e + 1] = entries[e], entries[e + 1]
  end
  answer[k] = found
end
return answer
