-- Puts a result into a rung, or takes it out, and moves the rung's zone (promotion form).
local place

-- A dead trial that wins a slot counts at once as dead in the next rung, and so on up. Returns the numbers of the last one.
local function raise_dead(x, number, trial)
  local why, passes
  repeat
    go_up(x, trial)
    why, passes = place(x, trial.bracket, trial.rung, number, trial, DEAD)
  until not passes
  return why
end

-- An entry has entered its zone: its trial becomes ready unless it went up before.
local function admit(x, b, k, entry)
  if not entry then return end
  local number = entry:sub(25)
  local trial = load_trial(x, number)
  if trial.rung > k then return end
  if trial.state == 'failed' or trial.state == 'stopped' then return raise_dead(x, number, trial) end
  make_ready(x, b, k, entry)
end

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
  if rank < after and after == before then
    unready(x, b, k, entry_at(x, b, k, after))
  elseif rank >= after and after > before then
    admit(x, b, k, entry_at(x, b, k, after - 1))
  end
  return why, rank < after, entry
end
