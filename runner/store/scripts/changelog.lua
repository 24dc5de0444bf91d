-- Changes what a key space says of its task changelog, unless it has one to restore from.
--
-- KEYS     owner (hash)
-- ARGV     what it must say ('': whatever is no topic), and what it says then
-- Returns  what it says now, changed or not; '' where the key space is gone
local owner, expected, new = KEYS[1], ARGV[1], ARGV[2]

if redis.call('EXISTS', owner) == 0 then return '' end
local now = redis.call('HGET', owner, 'feed') or 'none'
local is_free = now == 'none' or now == 'lists' or string.sub(now, 1, 8) == 'filling/'
if now ~= expected and not (expected == '' and is_free) then return now end
if now ~= new then redis.call('HSET', owner, 'feed', new) end
return new
