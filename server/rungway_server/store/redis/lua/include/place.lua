-- Puts a result into a rung and moves the rung's zone (promotion form).
--- @include "admit"
--- @include "clone"
-- Returns the numbers the decision rests on, whether the newcomer is inside the zone, and its entry.
place = function(x, b, k, number, trial, key)
  local n, rung = x.sizes[b][k], rung_key(x, b, k)
  local stamp = key .. string.format('%08x', x.tally.next_entry)
  local entry = stamp .. number
  local rank, before, after = redis.call('ZLEXCOUNT', rung, '-', '(' .. entry), quota(x, b, k, n), quota(x, b, k, n + 1)
  redis.call('ZADD', rung, 0, entry)
  x.sizes[b][k], x.tally.next_entry = n + 1, x.tally.next_entry + 1
  trial.entries[k + 1], trial.changed, x.changed = stamp, true, true
  local why = { b, k, rank, n + 1, after, cutoff_key(x, b, k, after) }
  if x.plan.rule == 'population' then
    if after > 0 then end_round(x, b, k, rank, after) end
  elseif rank < after and after == before then
    unready(x, b, k, entry_at(x, b, k, after))
  elseif rank >= after and after > before then
    admit(x, b, k, entry_at(x, b, k, after - 1))
  end
  return why, rank < after, entry
end
