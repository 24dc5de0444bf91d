-- Reads records and kept decisions of one shard. Writes nothing.
--
-- KEYS     the home hashes, as many as ARGV[1] has lists, then the task hashes, then, with base offsets,
--          the hash of verified homes
-- ARGV[1]  msgpack: { incarnation, { { offset, ... }, ... one list a home },
--                     { base offset, ... of the homes } or false,
--                     { { place of a task among the tasks, { part, ... to read besides },
--                         whether it is another one than those of the events }, ... } }
-- Returns  { now_ms, { outcome or false, ... in the order of homes and offsets },
--            { { version, state, start, life, part, ... }, ... }, the shard token, with base offsets };
--          with base offsets, { -1, key } instead unless the shard is known to be complete for these reads
local call = cmsgpack.unpack(ARGV[1])
local incarnation, homes, base_offsets = call[1], call[2], call[3]
local parts, is_other = {}, {}
for _, read in ipairs(call[4]) do parts[read[1]], is_other[read[1]] = read[2], read[3] end
-- unpack() has a bounded stack.
local CHUNK = 1000

for h, base_offset in ipairs(base_offsets or {}) do
  local fields = redis.call('HMGET', KEYS[h], 'incarnation', 'applied_offset', 'restore_lease')
  local is_current = tonumber(fields[1]) == incarnation
  local applied_offset = is_current and tonumber(fields[2]) or 0
  local restore_lease = is_current and fields[3]
  if applied_offset < base_offset or restore_lease then return { -1, KEYS[h] } end
end

local kept = {}
for h, offsets in ipairs(homes) do
  -- Decisions of an earlier topic of this name belong to other events.
  local is_current = tonumber(redis.call('HGET', KEYS[h], 'incarnation')) == incarnation
  for first = 1, #offsets, CHUNK do
    local last = math.min(first + CHUNK - 1, #offsets)
    local outcomes = is_current and redis.call('HMGET', KEYS[h], unpack(offsets, first, last))
    for o = 1, last - first + 1 do
      kept[#kept + 1] = is_current and outcomes[o] or false
    end
  end
end

local records = {}
for t = #homes + 1, base_offsets and #KEYS - 1 or #KEYS do
  local record = redis.call('HMGET', KEYS[t], 'version', 'state', 'start', 'life', unpack(parts[t - #homes] or {}))
  records[#records + 1] = record
end
local verified = base_offsets and redis.call('HMGET', KEYS[#KEYS], 'server', 'shard_token', 'all')
-- Without a shard token of this server, the shard may have lost something and is not verified yet.
if base_offsets and (verified[1] ~= SERVER or not verified[2]) then return { -1, KEYS[#KEYS] } end
if base_offsets and verified[3] ~= SERVER then
  for t, record in ipairs(records) do
    -- A closed record proves nothing: it may have been removed and its task started again in another
    -- home, of which this shard has lost everything. Of another record the newest changes may be lost,
    -- if its home is not this batch's.
    local is_open = record[1] and string.match(record[1], '^%d+;open;')
    if is_other[t] or not is_open then return { -1, KEYS[#KEYS] } end
  end
end

local time = redis.call('TIME')
return { time[1] * 1000 + math.floor(time[2] / 1000), kept, records, base_offsets and verified[2] }
