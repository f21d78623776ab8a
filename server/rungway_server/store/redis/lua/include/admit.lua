-- What happens to a trial whose result has entered its rung's zone (promotion form).
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
  local number = number_of(entry)
  local trial = load_trial(x, number)
  if trial.rung > k then return end
  if trial.state == 'failed' or trial.state == 'stopped' then return raise_dead(x, number, trial) end
  make_ready(x, b, k, entry)
end
