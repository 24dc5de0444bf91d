-- Notes homes of one shard that were verified on this server. SERVER is put before every script that is
-- bound to a server: on another one it is not known, and must not be.
--
-- KEYS     the hash of verified homes: server, home partitions, and "all" once none is left
-- ARGV     how many homes there are, then the partitions that were verified
-- Returns  1 if all of them are
local key, homes = KEYS[1], tonumber(ARGV[1])
if redis.call('HGET', key, 'server') ~= SERVER then
  redis.call('DEL', key)
  redis.call('HSET', key, 'server', SERVER)
end
for i = 2, #ARGV do redis.call('HSET', key, ARGV[i], 1) end
for home = 0, homes - 1 do
  if not redis.call('HGET', key, home) then return 0 end
end
redis.call('HSET', key, 'all', SERVER)
return 1
