-- A worker leaves: its trial waits in line, or ends with a stopped experiment. Leaving costs nothing while the trial makes progress;
-- of leases in a row without any, those beyond FREE_RETURNS cost a restart each, or the trial would be handed out without end.
--- @include "progress"
local FREE_RETURNS = 2

local function give_back(x, number, trial)
  if trial.returns > FREE_RETURNS and not is_over(x) then
    local in_a_row = trial.returns
    local lives, why = restart(x, number, trial, 'given back without progress')
    trial.returns = in_a_row
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
