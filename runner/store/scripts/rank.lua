-- Where an entry of an index stands; put before the scripts that go on after one.

-- Compares bytes, as the index does; < would ask the locale of the server.
local function follows(member, other)
  for i = 1, math.min(#member, #other) do
    local difference = member:byte(i) - other:byte(i)
    if difference ~= 0 then return difference > 0 end
  end
  return #member > #other
end

-- Rank of the first entry after one that may have gone meanwhile.
local function rank_after(key, score, member)
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', key, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = redis.call('ZRANGE', key, middle, middle)[1]
    if follows(found, member) then high = middle else low = middle + 1 end
  end
  return low
end
