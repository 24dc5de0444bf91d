-- Returns the shard token if some homes of one shard are not yet verified on this server.
--
-- KEYS     the hash of verified homes: server, shard_token, home partitions, and "all" once
--          every home is verified
-- ARGV     a new shard token, written where this server has none, then home partitions
-- Returns  the shard token; false if all of these homes are verified
local key = KEYS[1]
if redis.call('HGET', key, 'server') ~= SERVER or not redis.call('HGET', key, 'shard_token') then
  -- Written before the deletions: a node that its slot leaves would refuse to create an emptied key again.
  local before = redis.call('HKEYS', key)
  redis.call('HSET', key, 'server', SERVER, 'shard_token', ARGV[1])
  for _, field in ipairs(before) do
    if field ~= 'server' and field ~= 'shard_token' then redis.call('HDEL', key, field) end
  end
end
for i = 2, #ARGV do
  if not redis.call('HGET', key, ARGV[i]) then return redis.call('HGET', key, 'shard_token') end
end
return false
