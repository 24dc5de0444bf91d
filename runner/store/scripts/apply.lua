-- The one write path: changes tasks and keeps decisions of one shard, all or nothing.
--
-- KEYS      the home hashes, then the task hashes, then the indexes, each as listed in ARGV[1], then,
--           where a home is restored or a shard token is given, the hash of verified homes
-- ARGV[1]   msgpack: { incarnation, homes, tasks, indexes, restoring, shard_token ('': not compared) }
--             home   { base_offset, require_none_kept, { offset, ... of decisions to keep },
--                      decided_up_to (-1: no applied offset is written or compared), partition }
--             task   { expected version ('': none), new ('': unchanged, '-': remove), { part, ... to
--                      write }, { part, ... to remove } }
--             index  { { member, ... to remove }, { epoch ms, member, ... to add } }
--             restoring  { restore lease, BEGIN or WRITE or END or SET_OFFSET } for all homes, or false
-- ARGV[2..] bytes, in this order: the outcome of every offset, then of every task its parts to write
-- Returns   APPLIED, CONFLICT (a record changed, or a decision is kept already), SUPERSEDED (a later
--           batch of a home has been seen here), or LOST (the applied offset of a home lies below its
--           base offset, or the shard token is another one)
--
-- Every check comes before the first write: Redis does not roll back.
local call = cmsgpack.unpack(ARGV[1])
local incarnation, homes, tasks, indexes, restoring = call[1], call[2], call[3], call[4], call[5]
local phase, shard_token = restoring and restoring[2], call[6]
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
  local offsets = {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    offsets[#offsets + 1] = tonumber(field)
  end
  return offsets
end

if shard_token ~= '' and redis.call('HGET', KEYS[#KEYS], 'shard_token') ~= shard_token then return 'LOST' end

local stored = {}
for h, home in ipairs(homes) do
  local key, base_offset, require_none_kept, offsets, decided_up_to = KEYS[h], home[1], home[2], home[3], home[4]
  local fields = redis.call('HMGET', key, 'incarnation', 'fence', 'applied_offset', 'restore_lease')
  local stored_incarnation, fence, restore_lease = tonumber(fields[1]) or 0, tonumber(fields[2]) or -1, fields[4]
  local is_current = stored_incarnation == incarnation
  local applied_offset = is_current and tonumber(fields[3]) or 0
  local is_behind = applied_offset < base_offset or (restore_lease and is_current)
  if phase == 'WRITE' or phase == 'END' then
    if restore_lease ~= restoring[1] then return 'SUPERSEDED' end
  elseif stored_incarnation > incarnation or (is_current and fence > base_offset) then
    return 'SUPERSEDED'
  elseif not phase and decided_up_to >= 0 and is_behind then
    return 'LOST'
  elseif not phase and is_current then
    if any_kept(key, offsets) then return 'CONFLICT' end
    if require_none_kept then
      for _, offset in ipairs(kept_offsets(key)) do
        if offset >= base_offset then return 'CONFLICT' end
      end
    end
  end
  stored[h] = { stored_incarnation, fence, applied_offset }
end
for t, task in ipairs(tasks) do
  -- Restoring removes a record whatever its version.
  if not phase or task[2] ~= '-' then
    local version = redis.call('HGET', KEYS[#homes + t], 'version') or ''
    if version ~= task[1] then return 'CONFLICT' end
  end
end

local function keep(h, home, argument)
  local key, base_offset, offsets, decided_up_to = KEYS[h], home[1], home[3], home[4]
  -- The fence is written first: a hash that becomes empty is deleted, and while its slot moves to
  -- another node of a Cluster this node would refuse to create it again, in the middle of the script.
  redis.call('HSET', key, 'incarnation', incarnation, 'fence', base_offset)
  local is_other_topic = stored[h][1] ~= incarnation
  if is_other_topic or stored[h][2] < base_offset then
    -- Events below the base offset are committed, so their decisions are never asked for again.
    local trimmed = {}
    for _, offset in ipairs(kept_offsets(key)) do
      if is_other_topic or offset < base_offset then trimmed[#trimmed + 1] = offset end
    end
    in_chunks('HDEL', key, trimmed)
  end
  -- Applied offset and restore lease of an earlier topic of this name say nothing of this topic.
  if is_other_topic then redis.call('HDEL', key, 'applied_offset', 'restore_lease') end
  local fields = {}
  if decided_up_to >= 0 then fields = { 'applied_offset', math.max(decided_up_to, stored[h][3]) } end
  for o, offset in ipairs(offsets) do
    fields[#fields + 1] = offset
    fields[#fields + 1] = ARGV[argument + o]
  end
  in_chunks('HSET', key, fields)
end

local function restore(h, home)
  local key, verified = KEYS[h], KEYS[#KEYS]
  if phase == 'BEGIN' then
    redis.call('HSET', key, 'incarnation', incarnation, 'fence', home[1], 'restore_lease', restoring[1])
    in_chunks('HDEL', key, kept_offsets(key))
    redis.call('HDEL', key, 'applied_offset')
    redis.call('HDEL', verified, home[5], 'all')
    -- A worker that checked the shard before must not mark the home as verified: the shard token changes.
    redis.call('HSET', verified, 'shard_token', restoring[1])
  elseif phase == 'END' then
    redis.call('HSET', key, 'applied_offset', home[1])
    redis.call('HDEL', key, 'restore_lease')
  end
end

local argument = 1
for h, home in ipairs(homes) do
  if phase and phase ~= 'SET_OFFSET' then restore(h, home) else keep(h, home, argument) end
  argument = argument + #home[3]
end
for t, task in ipairs(tasks) do
  local key, version, parts, removed = KEYS[#homes + t], task[2], task[3], task[4]
  if version == '-' then
    redis.call('DEL', key)
  elseif version ~= '' then
    local fields = { 'version', version }
    for p, part in ipairs(parts) do
      fields[#fields + 1], fields[#fields + 2] = part, ARGV[argument + p]
    end
    in_chunks('HSET', key, fields)
    argument = argument + #parts
    in_chunks('HDEL', key, removed)
  end
end
for i, index in ipairs(indexes) do
  local key = KEYS[#homes + #tasks + i]
  -- Added before removed, so that the index is never empty in between; no member is in both.
  in_chunks('ZADD', key, index[2])
  in_chunks('ZREM', key, index[1])
end
return 'APPLIED'
