-- Raises the number of home partitions of the key space; the new ones have nothing committed yet.
--
-- KEYS     owner (hash), committed (sorted set)
-- ARGV     incarnation, partitions
-- Returns  how many homes are new; 0 where the key space is gone, or of another incarnation
local owner, committed = KEYS[1], KEYS[2]
local incarnation, partitions = ARGV[1], tonumber(ARGV[2])

if redis.call('HGET', owner, 'incarnation') ~= incarnation then return 0 end
local before = tonumber(redis.call('HGET', owner, 'partitions'))
if before >= partitions then return 0 end

redis.call('HSET', owner, 'partitions', partitions)
for partition = before, partitions - 1 do
  redis.call('ZADD', committed, 'NX', -1, incarnation .. '/' .. partition)
end
return partitions - before
