-- The best result of the highest rung of a bracket that may go up; nil when there is none.
local function promote(x, b)
  if x.ready == 0 then return nil end
  local member = redis.call('ZRANGEBYLEX', READY, '[' .. string.char(b), '(' .. string.char(b + 1), 'LIMIT', 0, 1)[1]
  if not member then return nil end
  local k, entry = 255 - member:byte(2), member:sub(3)
  local number, n = number_of(entry), x.counts.sizes[slot(x, b, k)]
  local trial, q = load_trial(x, number), quota(x, b, k, n)
  local why = { 'promoted', b, k, rank_of(x, b, k, rung_prefix(b, k) .. entry), n, q, cutoff_key(x, b, k, q) }
  unready(x, b, k, entry)
  return number, trial, why
end
