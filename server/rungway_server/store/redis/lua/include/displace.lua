-- Takes every result of an invalid trial out of its rungs and moves their zones back.
local function displace(x, number, trial)
  local b = trial.bracket
  for i, stamp in ipairs(trial.entries) do
    local k, entry = i - 1, stamp .. number
    local n = x.sizes[b][k]
    local rank, before, after = redis.call('ZRANK', rung_key(x, b, k), entry), quota(x, b, k, n), quota(x, b, k, n - 1)
    redis.call('ZREM', rung_key(x, b, k), entry)
    unready(x, b, k, entry)
    x.sizes[b][k] = n - 1
    if rank < before and after == before then
      admit(x, b, k, entry_at(x, b, k, after - 1))
    elseif rank >= before and after < before then
      unready(x, b, k, entry_at(x, b, k, after))
    end
  end
  trial.entries, trial.changed, x.changed = {}, true, true
end
