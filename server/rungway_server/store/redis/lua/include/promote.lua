-- The best result of the highest rung of a bracket that may go up; nil when there is none.
local function promote(x, b)
  local prefix = string.format('%02x', b)
  local member = redis.call('ZRANGEBYLEX', READY, '[' .. prefix, '[' .. prefix .. 'g', 'LIMIT', 0, 1)[1]
  if not member then return nil end
  read_sizes(x, b)
  local k, entry = 255 - tonumber(member:sub(3, 4), 16), member:sub(5)
  local number = entry:sub(25)
  local trial, n = load_trial(x, number), x.sizes[b][k]
  local q = quota(x, b, k, n)
  local why = { 'promoted', b, k, redis.call('ZRANK', rung_key(x, b, k), entry), n, q, cutoff_key(x, b, k, q) }
  unready(x, b, k, entry)
  return number, trial, why
end
