-- Compares, or writes, the owner of the key space.
--
-- KEYS     owner (hash), committed (sorted set)
-- ARGV     topic id, partitions, the incarnation of this topic id where it is known (0: it is not), then
--          name, value, name, value, ... of the fields that must not change
-- Returns  { 'OPEN', incarnation, created (0 or 1), homes that may have tasks of an earlier topic },
--          or { 'MISMATCH', name, stored, value of the worker }
local owner, committed = KEYS[1], KEYS[2]
local topic_id, partitions = ARGV[1], tonumber(ARGV[2])
local created = redis.call('EXISTS', owner) == 0

for i = 4, #ARGV, 2 do
  local stored = redis.call('HGET', owner, ARGV[i])
  local value = ARGV[i + 1]
  -- A changelog that cannot (yet) be restored from may be dropped; this also ends a filling.
  local is_free = ARGV[i] == 'changelog' and stored and (stored == 'lists' or string.sub(stored, 1, 8) == 'filling/')
    and (value == 'none' or value == 'lists')
  if stored and stored ~= value and not is_free then return { 'MISMATCH', ARGV[i], stored, value } end
end
local current = tonumber(redis.call('HGET', owner, 'incarnation')) or 0
local known = tonumber(redis.call('HGET', owner, 'topic:' .. topic_id))
local before = tonumber(redis.call('HGET', owner, 'partitions')) or 0
if known and known < current then return { 'MISMATCH', 'topic id', 'a newer one', topic_id } end
if before > partitions then
  return { 'MISMATCH', 'partitions', tostring(before), tostring(partitions) }
end

local first = before
if not known then
  current, first = math.max(current + 1, tonumber(ARGV[3])), 0
  redis.call('HSET', owner, 'incarnation', current, 'topic:' .. topic_id, current)
  -- Partitions that are added to the topic later never had tasks of an earlier topic.
  redis.call('HSET', owner, 'inherited', current > 1 and partitions or 0)
end
local inherited = tonumber(redis.call('HGET', owner, 'inherited')) or (current > 1 and partitions or 0)
for i = 4, #ARGV, 2 do redis.call('HSET', owner, ARGV[i], ARGV[i + 1]) end
redis.call('HSET', owner, 'partitions', partitions)
for partition = first, partitions - 1 do
  redis.call('ZADD', committed, 'NX', -1, current .. '/' .. partition)
end
return { 'OPEN', current, created and 1 or 0, inherited }
