-- A worker leaves: its trial waits in line, or ends with a stopped experiment.
local function give_back(x, number, trial)
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
