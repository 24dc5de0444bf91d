-- Reads records and kept decisions of one shard.
--
-- KEYS     the home hashes, then the task hashes, as numbered by ARGV
-- ARGV[1]  msgpack: { incarnation, homes = { { offset, ... }, ... } }: one list of offsets a home
-- Returns  { now_ms, { kept or false, ... in the order of homes and offsets }, { { rev, state, start }, ... } }
local call = cmsgpack.unpack(ARGV[1])
local incarnation, homes = call[1], call[2]

local kept = {}
for h, offsets in ipairs(homes) do
  local values = redis.call('HMGET', KEYS[h], 'incarnation', unpack(offsets))
  -- Decisions of an earlier topic of this name speak of other events.
  local ours = tonumber(values[1]) == incarnation
  for i = 1, #offsets do
    kept[#kept + 1] = ours and values[i + 1] or false
  end
end

local records = {}
for t = #homes + 1, #KEYS do
  records[#records + 1] = redis.call('HMGET', KEYS[t], 'rev', 'state', 'start')
end

local time = redis.call('TIME')
return { time[1] * 1000 + math.floor(time[2] / 1000), kept, records }
