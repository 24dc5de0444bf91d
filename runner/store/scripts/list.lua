-- Reads a bounded range of each of some indexes of one shard. Writes nothing.
--
-- KEYS     the indexes (sorted sets by epoch ms)
-- ARGV     to (inclusive, '+inf': no bound), how many entries of each at most, then for each index where
--          to begin: an epoch ms ('-inf': from the start; with '(' before it the entries of that moment
--          are returned too) and a member of that moment ('': none), after which entries are returned
-- Returns  { { member, score, ... }, ... one list an index }
local to, limit = tonumber(ARGV[1]) or math.huge, tonumber(ARGV[2])

local answer = {}
for k, key in ipairs(KEYS) do
  local score, member = ARGV[1 + 2 * k], ARGV[2 + 2 * k]
  local first = member ~= '' and rank_after(key, score, member) or redis.call('ZCOUNT', key, '-inf', score)
  local entries = redis.call('ZRANGE', key, first, first + limit - 1, 'WITHSCORES')
  local range = {}
  for e = 1, #entries, 2 do
    if tonumber(entries[e + 1]) > to then break end
    range[e], range[e + 1] = entries[e], entries[e + 1]
  end
  answer[k] = range
end
return answer
