-- Stopping form: at each rung it has reached a trial goes on unless too many results there are strictly better.
local function decide_stop(x, number, trial, report, deadline, given)
  local b, why = trial.bracket, nil
  while trial.next <= trial.length do
    local passes
    why, passes = place_stop(x, b, trial.rung, number, trial, report.key)
    if is_top(x, b, trial.rung) then
      return finish(x, number, trial, 'completed', 'stop', with_reason('completed', why))
    elseif not passes then
      return finish(x, number, trial, 'stopped', 'stop', with_reason('stopped_at_rung', why))
    end
    go_up(x, trial)
    log_decision(x, 'continue', number, with_reason('promoted', why))
  end
  if not why then return given or go_on(trial, no_rung('between_rungs', trial), deadline) end
  return go_on(trial, with_reason('promoted', why), deadline)
end
