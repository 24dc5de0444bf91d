-- The one write path: changes tasks and keeps decisions of one shard, all or nothing.
--
-- KEYS     every key of the call, as numbered by ARGV
-- ARGV[1]  msgpack: { incarnation, homes, tasks }
--            home  { key, base, settled, { offset, outcome, ... } }     base and offsets as text
--            task  { key, expected revision, new revision (0: unchanged, -1: remove), state, start or false,
--                    { index key, member, ... to remove }, { index key, epoch ms, member, ... to add } }
-- Returns  APPLIED, CONFLICT (a revision moved, or a decision is kept already), or
--          SUPERSEDED (a later batch of a home has been seen here)
--
-- Every check comes before the first write: Redis does not roll back.
local call = cmsgpack.unpack(ARGV[1])
local incarnation, homes, tasks = call[1], call[2], call[3]

local function numbers(key)
  local found = {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local offset = tonumber(field)
    if offset then found[#found + 1] = { field, offset } end
  end
  return found
end

local seen = {}
for h, home in ipairs(homes) do
  local key, base, settled, decisions = KEYS[home[1]], tonumber(home[2]), home[3], home[4]
  local stored = redis.call('HMGET', key, 'incarnation', 'floor')
  local era, floor = tonumber(stored[1]) or 0, tonumber(stored[2]) or -1
  if era > incarnation or (era == incarnation and floor > base) then return 'SUPERSEDED' end
  if era == incarnation then
    for i = 1, #decisions, 2 do
      if redis.call('HEXISTS', key, decisions[i]) == 1 then return 'CONFLICT' end
    end
    if settled then
      for _, kept in ipairs(numbers(key)) do
        if kept[2] >= base then return 'CONFLICT' end
      end
    end
  end
  seen[h] = { era = era, floor = floor }
end
for _, task in ipairs(tasks) do
  local revision = tonumber(redis.call('HGET', KEYS[task[1]], 'rev')) or 0
  if revision ~= task[2] then return 'CONFLICT' end
end

for h, home in ipairs(homes) do
  local key, base, decisions = KEYS[home[1]], tonumber(home[2]), home[4]
  if seen[h].era ~= incarnation then
    redis.call('DEL', key)
  elseif seen[h].floor < base then
    -- What lies below the base is committed: nobody will ask for it again.
    for _, kept in ipairs(numbers(key)) do
      if kept[2] < base then redis.call('HDEL', key, kept[1]) end
    end
  end
  redis.call('HSET', key, 'incarnation', incarnation, 'floor', home[2], unpack(decisions))
end
for _, task in ipairs(tasks) do
  local key, revision, state, start = KEYS[task[1]], task[3], task[4], task[5]
  if revision == -1 then
    redis.call('DEL', key)
  elseif revision > 0 and start then
    redis.call('HSET', key, 'rev', revision, 'state', state, 'start', start)
  elseif revision > 0 then
    redis.call('HSET', key, 'rev', revision, 'state', state)
  end
  for i = 1, #task[6], 2 do redis.call('ZREM', KEYS[task[6][i]], task[6][i + 1]) end
  for i = 1, #task[7], 3 do redis.call('ZADD', KEYS[task[7][i]], task[7][i + 1], task[7][i + 2]) end
end
return 'APPLIED'
