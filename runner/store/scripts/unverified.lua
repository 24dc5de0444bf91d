-- Tells whether homes of one shard are yet to be verified on this server, and what to show when they are.
--
-- KEYS     the hash of verified homes: server, note, home partitions, and "all" once none is left
-- ARGV     a note that nobody had before, then home partitions
-- Returns  the note of the hash, which begins with the one given where this server has none; false if all
--          of these homes have been verified
local key = KEYS[1]
if redis.call('HGET', key, 'server') ~= SERVER or not redis.call('HGET', key, 'note') then
  -- In this order: a key that is empty for a moment is not taken again by a node that its slot leaves.
  local before = redis.call('HKEYS', key)
  redis.call('HSET', key, 'server', SERVER, 'note', ARGV[1])
  for _, field in ipairs(before) do
    if field ~= 'server' and field ~= 'note' then redis.call('HDEL', key, field) end
  end
end
for i = 2, #ARGV do
  if not redis.call('HGET', key, ARGV[i]) then return redis.call('HGET', key, 'note') end
end
return false
