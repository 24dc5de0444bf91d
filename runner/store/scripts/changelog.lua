-- Replaces the changelog setting of a key space, unless it names a changelog to restore from.
--
-- KEYS     owner (hash)
-- ARGV     the expected setting ('': any that names no topic to restore from), and the new one
-- Returns  the setting after the call, changed or not; '' where the key space is gone
local owner, expected, new = KEYS[1], ARGV[1], ARGV[2]

if redis.call('EXISTS', owner) == 0 then return '' end
local changelog = redis.call('HGET', owner, 'changelog') or 'none'
local is_free = changelog == 'none' or changelog == 'lists' or string.sub(changelog, 1, 8) == 'filling/'
if changelog ~= expected and not (expected == '' and is_free) then return changelog end
if changelog ~= new then redis.call('HSET', owner, 'changelog', new) end
return new
