-- A worker leaves: its trial waits in line, or ends with a stopped experiment. Leaving costs nothing, but a trial that is left
-- again and again with nothing told would go round for ever: beyond FREE_RETURNS in a row each is a restart.
local FREE_RETURNS = 10

local function give_back(x, number, trial)
  trial.returns = trial.length > trial.from and 0 or trial.returns + 1
  if trial.returns > FREE_RETURNS and not is_over(x) then
    local lives, why = restart(x, number, trial, 'given back again and again with nothing told')
    return verdict(lives and 'pause' or 'stop', why)
  end
  local why = no_rung('preempted', trial)
  if is_over(x) then
    end_lease(x, number, trial, 'stopped')
    trial.outcome = 'stopped'
  else
    requeue(x, number, trial)
  end
  log_decision(x, 'release', number, why)
  return verdict('pause', why)
end
