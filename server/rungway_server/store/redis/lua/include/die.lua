--- @include "brake"
-- The trial will never run again: it ranks after every real result and blocks no rung.
local function die(x, number, trial, outcome, message)
  local b, k = trial.bracket, trial.rung
  end_lease(x, number, trial, outcome == 'stopped' and 'stopped' or 'failed')
  trial.outcome, trial.message = outcome, message
  local why, passes
  if x.plan.form == 'stop' then
    why = place_stop(x, b, k, number, trial, DEAD)
  else
    why, passes = place(x, b, k, number, trial, DEAD)
    if passes then why = raise_ended(x, number, trial) end
  end
  table.insert(why, 1, 'failed')
  log_decision(x, 'failed', number, why)
  if outcome ~= 'stopped' then count_failure(x, message) end
  return why
end

-- A failure that a retry may cure: back in line until the restarts are spent. Returns whether the trial lives.
local function restart(x, number, trial, message)
  trial.restarts, trial.returns = trial.restarts + 1, 0
  if trial.restarts > x.plan.max_restarts then return false, die(x, number, trial, 'transient', message) end
  requeue(x, number, trial)
  local why = no_rung('retry', trial)
  log_decision(x, 'retry', number, why)
  count_failure(x, message)
  return true, why
end
