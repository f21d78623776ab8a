-- Stopping form: at each rung it has reached a trial goes on unless too many results there are strictly better.
local function decide_stop(x, result, trial, report, deadline, given)
  local number, b = result.number, trial.bracket
  local why
  while rung_length(x, b, trial.rung) <= trial.length do
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
  if not why then return given or go_on(x, result, trial, no_rung('between_rungs', trial), deadline) end
  return go_on(x, result, trial, with_reason('promoted', why), deadline)
end
