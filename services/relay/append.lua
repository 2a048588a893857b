local key, top, keep, source = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local last = 0
if redis.call('EXISTS', key) == 1 then
  local info = redis.call('XINFO', 'STREAM', key)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = tonumber(string.match(info[i + 1], '^%d+') or '0')
    end
  end
end
if #ARGV == 3 then
  return {last, last}
end
local before, first = last, tonumber(ARGV[4])
if last ~= top and last < first - 1 then
  return {last, last}
end
for i = 4, #ARGV, 7 do
  local seq = tonumber(ARGV[i])
  if seq > last then
    if ARGV[i + 5] == '' then
      redis.call('XADD', key, ARGV[i] .. '-0', 'specversion', '1.0', 'source', source,
        'seq', ARGV[i], 'tenant_seq', ARGV[i + 1], 'id', ARGV[i + 2], 'type', ARGV[i + 3],
        'time', ARGV[i + 4], 'data', ARGV[i + 6])
    else
      redis.call('XADD', key, ARGV[i] .. '-0', 'specversion', '1.0', 'source', source,
        'seq', ARGV[i], 'tenant_seq', ARGV[i + 1], 'id', ARGV[i + 2], 'type', ARGV[i + 3],
        'time', ARGV[i + 4], 'subject', ARGV[i + 5], 'data', ARGV[i + 6])
    end
    last = seq
  end
end
if keep > 0 then
  redis.call('XTRIM', key, 'MAXLEN', '~', keep)
end
return {before, last}
