-- Promotion form: at its rung a trial goes up at once, under the same lease, or pauses.
local function decide_promote(x, result, trial, report, deadline)
  local number, b = result.number, trial.bracket
  if trial.length < rung_length(x, b, trial.rung) then return go_on(x, result, trial, no_rung('between_rungs', trial), deadline) end
  local why
  repeat
    local passes, entry
    why, passes, entry = place(x, b, trial.rung, number, trial, report.key)
    if is_top(x, b, trial.rung) then
      return finish(x, number, trial, 'completed', 'stop', with_reason('completed', why))
    elseif not passes then
      return finish(x, number, trial, 'paused', 'pause', with_reason('not_promoted', why))
    elseif x.tally.state == 'paused' then
      make_ready(x, b, trial.rung, entry)
      return finish(x, number, trial, 'paused', 'pause', with_reason('experiment_paused', why))
    end
    go_up(x, trial)
  until trial.length < rung_length(x, b, trial.rung)
  trial.to = rung_length(x, b, trial.rung)
  log_decision(x, 'continue', number, with_reason('promoted', why))
  return go_on(x, result, trial, with_reason('promoted', why), deadline)
end
