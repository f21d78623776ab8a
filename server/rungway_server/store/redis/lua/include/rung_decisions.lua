-- What a tell decides at rungs: each result that reaches one, or ends its training.
-- Gives  decide_result
--- @include "call"
--- @include "sort_keys"
--- @include "experiment"
--- @include "leases"
--- @include "events"
--- @include "rungs"
--- @include "promotions"
--- @include "results"
--- @include "stopping"
--- @include "replies"
--- @include "reports"
--- @include "budget"
--- @include "waiting"
-- A result as good as the target ends the search.
local function target_reached(search, number, trial, report)
  if search.plan.target == '' or report.key > search.plan.target then return nil end
  search.progress.state, search.progress.target_reached = ExperimentState.done, true
  local why = no_rung(Reason.target_reached, trial)
  local reply = finish(search, number, trial, TrialState.completed, Decision.stop, why)
  log_event(search, ExperimentState.done)
  return reply
end

-- Why a result in the top-k is not promoted under the same lease; false when nothing hinders that.
local function hindrance(search, bracket, rung, entry)
  if search.progress.state == ExperimentState.paused then return Reason.experiment_paused end
  return out_of_budget(search) and Reason.budget_spent or is_full(search, bracket, rung, entry) and Reason.rung_full
end

-- Promotion form: at its rung a trial is promoted at once, under the same lease, or pauses; one whose training is over
-- stays there until it is promoted without a worker. The argument before the last is what only stopping needs.
local function decide_promotion(search, number, trial, report, deadline_ms, _, training_over)
  if trial.length < trial.next_length then return go_on(trial, no_rung(Reason.between_rungs, trial), deadline_ms) end
  local bracket, numbers, in_top, entry, reason = trial.bracket, nil, nil, nil, nil
  repeat
    numbers, in_top, entry, reason = add_result(search, bracket, trial.rung, number, trial, report.key)
    if is_top(search, bracket, trial.rung) then
      return finish(search, number, trial, TrialState.completed, Decision.stop, with_reason(Reason.completed, numbers))
    elseif not in_top and training_over then
      mark_finished(search, trial)
      return finish(search, number, trial, TrialState.completed, Decision.stop, with_reason(Reason.finished, numbers))
    end
    local hindered = not training_over and in_top and hindrance(search, bracket, trial.rung, entry)
    if hindered then add_promotable(search, bracket, trial.rung, entry) end
    if hindered or not in_top then
      keep_waiting(search, number, trial)
      local why = with_reason(hindered or reason, numbers)
      return finish(search, number, trial, TrialState.paused, Decision.pause, why)
    end
    promote(search, trial)
  until trial.length < trial.next_length
  if search.counts.spent or search.counts.entries then spend(search, trial, trial.next_length - trial.to_length) end
  trial.to_length = trial.next_length
  local why = with_reason(reason, numbers)
  log_decision(search, Decision.continue, number, why)
  return go_on(trial, why, deadline_ms)
end

-- Stopping form: at each rung it has reached a trial goes on unless too many results there are strictly better.
local function decide_stopping(search, number, trial, report, deadline_ms, reply)
  local bracket, numbers = trial.bracket, nil
  while trial.next_length <= trial.length do
    local goes_on
    numbers, goes_on = add_result_stopping(search, bracket, trial.rung, number, trial, report.key)
    if is_top(search, bracket, trial.rung) then
      local why = with_reason(Reason.completed, numbers)
      return finish(search, number, trial, TrialState.completed, Decision.stop, why)
    elseif not goes_on then
      local why = with_reason(Reason.stopped_at_rung, numbers)
      return finish(search, number, trial, TrialState.stopped, Decision.stop, why)
    end
    promote(search, trial)
    log_decision(search, Decision.continue, number, with_reason(Reason.promoted, numbers))
  end
  if numbers then return go_on(trial, with_reason(Reason.promoted, numbers), deadline_ms) end
  return reply or go_on(trial, no_rung(Reason.between_rungs, trial), deadline_ms)
end

-- A training that is over before its assignment: its last result stands in its rung and, where it is promoted, without
-- training in those above.
local function finish_training(search, number, trial)
  end_lease(search, number, trial, TrialState.completed)
  mark_finished(search, trial)
  local add = search.plan.form == DecisionForm.stop and add_result_stopping or add_result
  local numbers, in_top = add(search, trial.bracket, trial.rung, number, trial, ranked(trial.metric))
  local why = with_reason(Reason.finished, numbers)
  log_decision(search, Decision.stop, number, why)
  -- The line above says how far this lease came; the last result may have been told under an earlier one.
  local points = trial.tail
  if points == '' then points = redis.call('HGET', CURVES, number .. '.' .. trial.points / Size.curve_piece - 1) end
  trial.length = struct.unpack('>I8', points, #points - 15)
  if in_top and search.plan.form == DecisionForm.promote then promote_ended(search, number, trial) end
  return make_reply(Decision.stop, why)
end

-- Applies one result to a trial whose lease holds. Returns the reply.
local function decide_result(search, result, trial, deadline_ms)
  local number, search_over, reply = result.number, is_over(search), nil
  local decide = search.plan.form == DecisionForm.promote and decide_promotion or decide_stopping
  local undecided = not search_over
  if search.progress.trained > MANY then carry_trained(search) end
  for i, report in ipairs(result.reports) do
    add_report(search, number, trial, report)
    if i == #result.reports and result.checkpoint ~= '' then keep_told_checkpoint(search, result, trial) end
    if undecided then
      reply = target_reached(search, number, trial, report)
        or decide(search, number, trial, report, deadline_ms, reply, result.finished)
      undecided = reply[1] == Decision.continue
    end
  end
  keep_best(number, trial)
  if #result.reports == 0 and result.checkpoint ~= '' then keep_told_checkpoint(search, result, trial) end
  if result.finished and undecided then return finish_training(search, number, trial) end
  if not search_over then return reply end
  trial.outcome = Outcome.stopped
  local reason = search.progress.state == ExperimentState.done and Reason.search_done or Reason.experiment_stopped
  return finish(search, number, trial, TrialState.stopped, Decision.stop, no_rung(reason, trial))
end
