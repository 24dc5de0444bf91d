-- The one write path: changes tasks and keeps decisions of one shard, all or nothing.
--
-- KEYS      the home hashes, then the task hashes, then the indexes, each as listed in ARGV[1], then,
--           where a home is restored or a note is given, the hash of verified homes
-- ARGV[1]   msgpack: { incarnation, homes, tasks, indexes, restoring, note ('': none) }
--             home   { base, settled, { offset, ... to keep }, until (-1: no marks), partition }
--             task   { expected version ('': none), new ('': unchanged, '-': remove), start comes along }
--             index  { { member, ... to remove }, { epoch ms, member, ... to add } }
-- ARGV[2..] bytes, in this order: the outcome of every offset, then of every task with a new
--           version its state and, where it comes along, its start
--             restoring  { token, BEGIN or WRITE or END or MARK } for all homes of the call, or false
-- Returns   APPLIED, CONFLICT (a record moved, or a decision is kept already), SUPERSEDED (a later
--           batch of a home has been seen here), or LOST (the mark of a home lies below its base, or something was
--           lost since the shard was read)
--
-- Every check comes before the first write: Redis does not roll back.
local call = cmsgpack.unpack(ARGV[1])
local incarnation, homes, tasks, indexes, restoring = call[1], call[2], call[3], call[4], call[5]
local phase, note = restoring and restoring[2], call[6]
-- unpack() has a bounded stack; even, so that pairs stay together.
local CHUNK = 1000

local function in_chunks(command, key, arguments)
  for first = 1, #arguments, CHUNK do
    redis.call(command, key, unpack(arguments, first, math.min(first + CHUNK - 1, #arguments)))
  end
end

local function any_kept(key, offsets)
  for first = 1, #offsets, CHUNK do
    local last = math.min(first + CHUNK - 1, #offsets)
    for _, outcome in ipairs(redis.call('HMGET', key, unpack(offsets, first, last))) do
      if outcome then return true end
    end
  end
  return false
end

local function kept_offsets(key)
  local found = {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    found[#found + 1] = tonumber(field)
  end
  return found
end

if note ~= '' and redis.call('HGET', KEYS[#KEYS], 'note') ~= note then return 'LOST' end

local stored = {}
for h, home in ipairs(homes) do
  local key, base, settled, offsets, till = KEYS[h], home[1], home[2], home[3], home[4]
  local found = redis.call('HMGET', key, 'incarnation', 'floor', 'mark', 'restorer')
  local era, floor, restorer = tonumber(found[1]) or 0, tonumber(found[2]) or -1, found[4]
  local mark = era == incarnation and tonumber(found[3]) or 0
  if phase == 'WRITE' or phase == 'END' then
    if restorer ~= restoring[1] then return 'SUPERSEDED' end
  elseif era > incarnation or (era == incarnation and floor > base) then
    return 'SUPERSEDED'
  elseif not phase and till >= 0 and (mark < base or (restorer and era == incarnation)) then
    return 'LOST'
  elseif not phase and era == incarnation then
    if any_kept(key, offsets) then return 'CONFLICT' end
    if settled then
      for _, offset in ipairs(kept_offsets(key)) do
        if offset >= base then return 'CONFLICT' end
      end
    end
  end
  stored[h] = { era, floor, mark }
end
for t, task in ipairs(tasks) do
  -- What restoring takes out goes, whatever became of it.
  if not phase or task[2] ~= '-' then
    local version = redis.call('HGET', KEYS[#homes + t], 'version') or ''
    if version ~= task[1] then return 'CONFLICT' end
  end
end

local function keep(h, home, argument)
  local key, base, offsets, till = KEYS[h], home[1], home[3], home[4]
  -- The floor first: a key that is empty for a moment is gone, and while its slot moves to another
  -- node of a Cluster this one would not take it again, half way through.
  redis.call('HSET', key, 'incarnation', incarnation, 'floor', base)
  local other = stored[h][1] ~= incarnation
  if other or stored[h][2] < base then
    -- What lies below the base is committed: nobody will ask for it again.
    local trimmed = {}
    for _, offset in ipairs(kept_offsets(key)) do
      if other or offset < base then trimmed[#trimmed + 1] = offset end
    end
    in_chunks('HDEL', key, trimmed)
  end
  -- Those of an earlier topic of the name say nothing of this one.
  if other then redis.call('HDEL', key, 'mark', 'restorer') end
  local fields = {}
  if till >= 0 then fields = { 'mark', math.max(till, stored[h][3]) } end
  for o, offset in ipairs(offsets) do
    fields[#fields + 1] = offset
    fields[#fields + 1] = ARGV[argument + o]
  end
  in_chunks('HSET', key, fields)
end

local function restore(h, home)
  local key, verified = KEYS[h], KEYS[#KEYS]
  if phase == 'BEGIN' then
    redis.call('HSET', key, 'incarnation', incarnation, 'floor', home[1], 'restorer', restoring[1])
    in_chunks('HDEL', key, kept_offsets(key))
    redis.call('HDEL', key, 'mark')
    redis.call('HDEL', verified, home[5], 'all')
    -- Whoever looked at it before must not call it verified.
    redis.call('HSET', verified, 'note', restoring[1])
  elseif phase == 'END' then
    redis.call('HSET', key, 'mark', home[1])
    redis.call('HDEL', key, 'restorer')
  end
end

local argument = 1
for h, home in ipairs(homes) do
  if phase and phase ~= 'MARK' then restore(h, home) else keep(h, home, argument) end
  argument = argument + #home[3]
end
for t, task in ipairs(tasks) do
  local key, version, start = KEYS[#homes + t], task[2], task[3]
  if version == '-' then
    redis.call('DEL', key)
  elseif version ~= '' and start then
    redis.call('HSET', key, 'version', version, 'state', ARGV[argument + 1], 'start', ARGV[argument + 2])
    argument = argument + 2
  elseif version ~= '' then
    redis.call('HSET', key, 'version', version, 'state', ARGV[argument + 1])
    argument = argument + 1
  end
end
for i, index in ipairs(indexes) do
  local key = KEYS[#homes + #tasks + i]
  -- In this order, for the same reason; no member is in both.
  in_chunks('ZADD', key, index[2])
  in_chunks('ZREM', key, index[1])
end
return 'APPLIED'
