-- Applies one result to a trial whose lease holds, and decides.
local function take(x, result, trial)
  local number, stopped = result.number, x.tally.state == 'stopped'
  local deadline = renew(x, number)
  local decide = x.plan.form == 'promote' and decide_promote or decide_stop
  local given
  for r, report in ipairs(result.reports) do
    take_report(x, number, trial, report)
    if r == #result.reports and result.checkpoint ~= '' then
      trial.checkpoint, trial.checkpoint_length = result.checkpoint, trial.length
    end
    if not stopped and (not given or given[1] == 'continue') then given = decide(x, result, trial, report, deadline, given) end
  end
  if stopped then
    trial.outcome = 'stopped'
    return finish(x, number, trial, 'stopped', 'stop', no_rung('experiment_stopped', trial))
  end
  return given
end
