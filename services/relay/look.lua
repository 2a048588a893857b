local key, before, keep = KEYS[1], ARGV[1], tonumber(ARGV[2])
local heldBefore, heldKeep, step = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('EXISTS', key) == 0 then
  return {0, 0, 0, 0, 0}
end
local function field(list, name)
  for i = 1, #list, 2 do
    if list[i] == name then
      return list[i + 1]
    end
  end
end
local function number(id)
  return tonumber(string.match(id or '', '^%d+') or '0')
end
local info = redis.call('XINFO', 'STREAM', key)
local last = number(field(info, 'last-generated-id'))
-- from is the first entry at or above a number, and whether its event is older than a moment.
local function from(seq, moment)
  local found = redis.call('XRANGE', key, string.format('%.0f-0', seq), '+', 'COUNT', 1)[1]
  if not found then
    return nil, false
  end
  local time = field(found[2], 'time')
  return number(found[1]), time and moment ~= '' and string.sub(time, 1, 19) < moment
end
local first = from(1, '')
local top = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
top = top and number(top[1]) or last
-- floor is the first number to stay. Entries lie in the order of their commits, so halving finds it.
local function floor(moment, most)
  local low = first
  if most > 0 and top - most + 1 > low then
    low = top - most + 1
  end
  local _, old = from(low, moment)
  if not old then
    return low
  end
  local high = top
  while low < high do
    local middle = math.floor((low + high) / 2)
    local seq, older = from(middle, moment)
    if older and seq < high then
      low = seq + 1
    else
      high = middle
    end
  end
  return low
end
local groups, needed = {}, nil
for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  local name, pending = field(group, 'name'), field(group, 'pending')
  local delivered, need = number(field(group, 'last-delivered-id')), nil
  need = delivered + 1
  if pending > 0 then
    local oldest = redis.call('XPENDING', key, name)[2]
    if oldest and number(oldest) > 0 then
      need = math.min(need, number(oldest))
    end
  end
  groups[#groups + 1] = {name, delivered, pending, need}
  if not needed or need < needed then
    needed = need
  end
end
local trimmed, more = 0, 0
if first then
  local stay = floor(before, keep)
  if needed and needed < stay then
    stay = math.max(needed, floor(heldBefore, heldKeep))
  end
  if stay > first + step then
    stay, more = first + step, 1
  end
  if stay > first then
    trimmed = redis.call('XTRIM', key, 'MINID', string.format('%.0f-0', stay))
    first = from(stay, '')
  end
end
local answer = {last, first or last + 1, trimmed, more, #groups}
for _, group in ipairs(groups) do
  for i = 1, 4 do
    answer[#answer + 1] = group[i]
  end
end
return answer
