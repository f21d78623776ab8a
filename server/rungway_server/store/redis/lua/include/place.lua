-- Puts a result into a rung and moves the rung's zone (promotion form).
--- @include "admit"
--- @include "clone"
-- Returns the numbers the decision rests on, whether the newcomer is inside the zone, and its entry.
place = function(x, b, k, number, trial, key)
  local n, stamp = x.counts.sizes[slot(x, b, k)], key .. struct.pack('>I4', x.tally.next_entry)
  local entry = stamp .. struct.pack('>I4', number)
  local member = rung_prefix(b, k) .. entry
  local rank, before, after = rank_of(x, b, k, member), quota(x, b, k, n), quota(x, b, k, n + 1)
  redis.call('ZADD', RUNGS, 0, member)
  x.counts.sizes[slot(x, b, k)], x.tally.next_entry = n + 1, x.tally.next_entry + 1
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
