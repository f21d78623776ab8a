-- Promotion form: at its rung a trial goes up at once, under the same lease, or pauses; one whose training is over stays there
-- until it goes up without a worker.
local function decide_promote(x, number, trial, report, deadline, _, over)
  if trial.length < trial.next then return go_on(trial, no_rung('between_rungs', trial), deadline) end
  local b, why = trial.bracket, nil
  repeat
    local passes, entry
    why, passes, entry = place(x, b, trial.rung, number, trial, report.key)
    if is_top(x, b, trial.rung) then
      return finish(x, number, trial, 'completed', 'stop', with_reason('completed', why))
    elseif not passes and over then
      trial.outcome, x.layout = 'finished', 6
      return finish(x, number, trial, 'completed', 'stop', with_reason('finished', why))
    elseif not passes then
      return finish(x, number, trial, 'paused', 'pause', with_reason('not_promoted', why))
    elseif x.tally.state == 'paused' and not over then
      make_ready(x, b, trial.rung, entry)
      return finish(x, number, trial, 'paused', 'pause', with_reason('experiment_paused', why))
    end
    go_up(x, trial)
  until trial.length < trial.next
  trial.to = trial.next
  log_decision(x, 'continue', number, with_reason('promoted', why))
  return go_on(trial, with_reason('promoted', why), deadline)
end
