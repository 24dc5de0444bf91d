-- Finds the rank after an entry of an index; put before the scripts that continue after an entry.

-- Compares bytes, as a sorted set does; < would follow the locale of the server.
local function follows(member, other)
  for i = 1, math.min(#member, #other) do
    local difference = member:byte(i) - other:byte(i)
    if difference ~= 0 then return difference > 0 end
  end
  return #member > #other
end

-- Returns the rank of the first entry after (score, member), whether or not that entry is still there.
local function rank_after(key, score, member)
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', key, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local candidate = redis.call('ZRANGE', key, middle, middle)[1]
    if follows(candidate, member) then high = middle else low = middle + 1 end
  end
  return low
end
