-- What happens to a trial whose result has entered its rung's zone (promotion form).
local place

-- Whether the trial will never train again: it is dead, or its training ended by itself.
local function has_ended(trial) return trial.state == 'failed' or trial.state == 'stopped' or trial.state == 'completed' end

-- A trial that has ended and wins a slot counts at once in the next rung, with the same result, and so on up. Returns the
-- numbers of the last rung.
local function raise_ended(x, number, trial)
  local key, why, passes = trial.entries[trial.rung + 1]:sub(1, 8), nil, nil
  repeat
    go_up(x, trial)
    why, passes = place(x, trial.bracket, trial.rung, number, trial, key)
    if trial.outcome == 'finished' then log_decision(x, 'finished', number, { 'finished', unpack(why) }) end
  until not passes
  return why
end

-- An entry has entered its zone: its trial becomes ready unless it went up before.
local function admit(x, b, k, entry)
  if not entry then return end
  local number = number_of(entry)
  local trial = load_trial(x, number)
  if trial.rung > k then return end
  if has_ended(trial) then return raise_ended(x, number, trial) end
  make_ready(x, b, k, entry)
end
