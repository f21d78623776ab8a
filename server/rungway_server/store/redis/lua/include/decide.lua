-- Applies one result to a trial whose lease holds, and decides.
-- A result as good as the target ends the search.
local function reached(x, number, trial, report)
  if x.plan.target == '' or report.key > x.plan.target then return nil end
  x.tally.state, x.tally.target_reached = 'done', true
  local given = finish(x, number, trial, 'completed', 'stop', no_rung('target_reached', trial))
  log_event(x, 'done')
  return given
end

local function keep_checkpoint(trial, result)
  if result.checkpoint ~= '' then note_progress(trial, trial.length, result.checkpoint) end
end

local function take(x, result, trial, deadline)
  local number, over = result.number, is_over(x)
  local decide = x.plan.form == 'promote' and decide_promote or decide_stop
  local given
  if x.tally.trained > 1e14 then
--- @include "trained"
    carry_trained(x)
  end
  for r, report in ipairs(result.reports) do
    take_report(x, number, trial, report)
    if r == #result.reports then keep_checkpoint(trial, result) end
    if not over and (not given or given[1] == 'continue') then
      given = reached(x, number, trial, report) or decide(x, number, trial, report, deadline, given, result.finished)
    end
  end
  keep_best(number, trial)
  if #result.reports == 0 then keep_checkpoint(trial, result) end
  if result.finished and not over and (not given or given[1] == 'continue') then
--- @include "finish_training"
    given = finish_training(x, number, trial)
  end
  if over then
    trial.outcome = 'stopped'
    local reason = x.tally.state == 'done' and 'search_done' or 'experiment_stopped'
    return finish(x, number, trial, 'stopped', 'stop', no_rung(reason, trial))
  end
  return given
end
