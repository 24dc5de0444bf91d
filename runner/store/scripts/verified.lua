-- Records homes of one shard as verified on this server. SERVER is defined in front of every script that
-- is bound to a server, so another server does not know the script, and must not.
--
-- KEYS     the hash of verified homes: server, shard_token, home partitions, and "all" once
--          every home is verified
-- ARGV     the shard token from before the check, how many homes there are, then the verified partitions
-- Returns  1 if every home is verified; 0 if not, and nothing is written where the shard token is another
--          one: something was lost since, or is being restored
local key, homes = KEYS[1], tonumber(ARGV[2])
if redis.call('HGET', key, 'server') ~= SERVER or redis.call('HGET', key, 'shard_token') ~= ARGV[1] then
  return 0
end
for i = 3, #ARGV do redis.call('HSET', key, ARGV[i], 1) end
for home = 0, homes - 1 do
  if not redis.call('HGET', key, home) then return 0 end
end
redis.call('HSET', key, 'all', SERVER)
return 1
