-- Reads one page of the entries of some indexes of one shard. Writes nothing.
--
-- KEYS     the indexes (sorted sets by epoch ms), in the order in which they are walked
-- ARGV     from (exclusive, '-inf': no bound), to (inclusive), how many entries at most, then, to go on
--          after an entry of the first index: its epoch ms and its member
-- Returns  { { member, score, ... }, ... } of as many indexes as are needed for that many entries
local from, to, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local answer = {}
for k, key in ipairs(KEYS) do
  if limit == 0 then break end
  local first = redis.call('ZCOUNT', key, '-inf', from)
  if k == 1 and ARGV[4] then first = math.max(first, rank_after(key, ARGV[4], ARGV[5])) end
  local entries = redis.call('ZRANGE', key, first, first + limit - 1, 'WITHSCORES')
  local page = {}
  for e = 1, #entries, 2 do
    if tonumber(entries[e + 1]) > to then break end
    page[e], page[e + 1] = entries[e], entries[e + 1]
  end
  limit = limit - #page / 2
  answer[k] = page
end
return answer
