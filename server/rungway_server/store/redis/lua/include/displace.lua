-- Takes every result of an invalid trial out of its rungs and moves their zones back.
local function displace(x, number, trial)
  local b = trial.bracket
  for i, stamp in ipairs(trial.entries) do
    local k, entry = i - 1, stamp .. struct.pack('>I4', number)
    local n, member = x.counts.sizes[slot(x, b, k)], rung_prefix(b, k) .. entry
    local rank, before, after = rank_of(x, b, k, member), quota(x, b, k, n), quota(x, b, k, n - 1)
    redis.call('ZREM', RUNGS, member)
    unready(x, b, k, entry)
    x.counts.sizes[slot(x, b, k)] = n - 1
    if rank < before and after == before then
      admit(x, b, k, entry_at(x, b, k, after - 1))
    elseif rank >= before and after < before then
      unready(x, b, k, entry_at(x, b, k, after))
    end
  end
  trial.entries, trial.changed, x.changed = {}, true, true
end
