-- Reads records and kept decisions of one shard. Writes nothing.
--
-- KEYS     the home hashes, as many as ARGV[1] has lists, then the task hashes
-- ARGV[1]  msgpack: { incarnation, { { offset, ... }, ... one list a home } }
-- Returns  { now_ms, { kept or false, ... in the order of homes and offsets }, { { version, state, start }, ... } }
local call = cmsgpack.unpack(ARGV[1])
local incarnation, homes = call[1], call[2]
-- unpack() has a bounded stack.
local CHUNK = 1000

local kept = {}
for h, offsets in ipairs(homes) do
  -- Decisions of an earlier topic of this name speak of other events.
  local ours = tonumber(redis.call('HGET', KEYS[h], 'incarnation')) == incarnation
  for first = 1, #offsets, CHUNK do
    local last = math.min(first + CHUNK - 1, #offsets)
    local outcomes = ours and redis.call('HMGET', KEYS[h], unpack(offsets, first, last))
    for o = 1, last - first + 1 do
      kept[#kept + 1] = ours and outcomes[o] or false
    end
  end
end

local records = {}
for t = #homes + 1, #KEYS do
  records[#records + 1] = redis.call('HMGET', KEYS[t], 'version', 'state', 'start')
end

local time = redis.call('TIME')
return { time[1] * 1000 + math.floor(time[2] / 1000), kept, records }
