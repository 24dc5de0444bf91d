-- Reads records and kept decisions of one shard. Writes nothing.
--
-- KEYS     the home hashes, as many as ARGV[1] has lists, then the task hashes, then, with bases, the hash of verified homes
-- ARGV[1]  msgpack: { incarnation, { { offset, ... }, ... one list a home }, { base, ... of the homes } or false }
-- Returns  with bases, { -1, what is missing } unless all that is asked for is sure to be there; else
--          { now_ms, { kept or false, ... in the order of homes and offsets }, { { version, state, start }, ... },
--            the note of the hash of verified homes, with bases }
local call = cmsgpack.unpack(ARGV[1])
local incarnation, homes, bases = call[1], call[2], call[3]
-- unpack() has a bounded stack.
local CHUNK = 1000

for h, base in ipairs(bases or {}) do
  local found = redis.call('HMGET', KEYS[h], 'incarnation', 'mark', 'restorer')
  local ours = tonumber(found[1]) == incarnation
  local mark = ours and tonumber(found[2]) or 0
  if mark < base or (ours and found[3]) then return { -1, KEYS[h] } end
end

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
for t = #homes + 1, bases and #KEYS - 1 or #KEYS do
  local record = redis.call('HMGET', KEYS[t], 'version', 'state', 'start')
  records[#records + 1] = record
end
local verified = bases and redis.call('HMGET', KEYS[#KEYS], 'server', 'note', 'all')
-- Without a note of this server, something was lost that nobody has looked for yet.
if bases and (verified[1] ~= SERVER or not verified[2]) then return { -1, KEYS[#KEYS] } end
if bases and verified[3] ~= SERVER then
  for _, record in ipairs(records) do
    -- What is closed (every second revision) may have been removed, and its task started anew in another
    -- home, of which this shard has lost all: it is no better than nothing.
    local revision = record[1] and tonumber(string.match(record[1], '^%d+')) or 0
    if revision % 2 == 0 then return { -1, KEYS[#KEYS] } end
  end
end

local time = redis.call('TIME')
return { time[1] * 1000 + math.floor(time[2] / 1000), kept, records, bases and verified[2] }
