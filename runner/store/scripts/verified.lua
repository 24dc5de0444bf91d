-- Notes homes of one shard that were verified on this server. SERVER is put before every script that is
-- bound to a server: on another one it is not known, and must not be.
--
-- KEYS     the hash of verified homes: server, note, home partitions, and "all" once none is left
-- ARGV     the note that the hash had before they were looked at, how many homes there are, then the
--          partitions that were verified
-- Returns  1 if all of them are. With another note something was lost since, or is being restored:
--          nothing is noted then
local key, homes = KEYS[1], tonumber(ARGV[2])
if redis.call('HGET', key, 'server') ~= SERVER or redis.call('HGET', key, 'note') ~= ARGV[1] then
  return 0
end
for i = 3, #ARGV do redis.call('HSET', key, ARGV[i], 1) end
for home = 0, homes - 1 do
  if not redis.call('HGET', key, home) then return 0 end
end
redis.call('HSET', key, 'all', SERVER)
return 1
