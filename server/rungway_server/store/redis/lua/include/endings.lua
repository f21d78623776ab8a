-- How trials end without a decision at a rung, and how the search itself ends or pauses.
-- Gives  release_brake, die, restart, release_trial, end_search_if_done
--- @include "call"
--- @include "sort_keys"
--- @include "experiment"
--- @include "leases"
--- @include "events"
--- @include "replies"
--- @include "results"
--- @include "stopping"
--- @include "suggestions"
--- @include "budget"
-- The brake: while nothing has been told, a search whose first trials all fail pauses instead of failing all of them.
local function count_failure(search, message)
  local progress, most = search.progress, search.plan.pause_after or 0
  if most == 0 or progress.trained > 0 or progress.state ~= ExperimentState.running then return end
  progress.failures, search.changed = (progress.failures or 0) + 1, true
  if progress.failures < most then return end
  progress.state, progress.failing = ExperimentState.paused, true
  redis.call('HSET', META, 'failing', message)
  log_event(search, Reason.failing, message)
end

-- After any change of state, counting begins anew.
local function release_brake(search)
  local progress = search.progress
  if progress.failing then redis.call('HDEL', META, 'failing') end
  progress.failing, progress.failures = nil, nil
end

-- The trial will never run again: it ranks after every real result and blocks no rung. Returns the explanation.
local function die(search, number, trial, outcome, message)
  local bracket, rung = trial.bracket, trial.rung
  end_lease(search, number, trial, outcome == Outcome.stopped and TrialState.stopped or TrialState.failed)
  trial.outcome, trial.message = outcome, message
  local why, in_top
  if search.plan.form == DecisionForm.stop then
    why = add_result_stopping(search, bracket, rung, number, trial, DEAD)
  else
    why, in_top = add_result(search, bracket, rung, number, trial, DEAD)
    if in_top then why = promote_ended(search, number, trial) end
  end
  table.insert(why, 1, Reason.failed)
  log_decision(search, Reason.failed, number, why)
  if outcome ~= Outcome.stopped then count_failure(search, message) end
  return why
end

-- A failure that may pass: the trial is requeued until its restarts are spent. Returns whether it lives, and
-- the explanation.
local function restart(search, number, trial, message)
  trial.restarts, trial.returns = trial.restarts + 1, 0
  if trial.restarts > search.plan.max_restarts then
    return false, die(search, number, trial, Outcome.transient, message)
  end
  requeue(search, number, trial)
  local why = no_rung(Reason.retry, trial)
  log_decision(search, Reason.retry, number, why)
  count_failure(search, message)
  return true, why
end

-- Leases in a row without progress that may be released at no cost. Each further one costs a restart, or the trial
-- would be handed out without end.
local FREE_RETURNS = 2

-- A worker leaves: its trial is requeued, or ends with a stopped experiment. Returns the reply.
local function release_trial(search, number, trial)
  if trial.returns > FREE_RETURNS and not is_over(search) then
    local in_a_row = trial.returns
    local lives, why = restart(search, number, trial, 'given back without progress')
    trial.returns = in_a_row
    return make_reply(lives and Decision.pause or Decision.stop, why)
  end
  local why = no_rung(Reason.preempted, trial)
  if is_over(search) then
    end_lease(search, number, trial, TrialState.stopped)
    trial.outcome = Outcome.stopped
  else
    requeue(search, number, trial)
  end
  log_decision(search, 'release', number, why)
  return make_reply(Decision.pause, why)
end

-- The search is done when nothing runs, is requeued or promotable, no clone is yet to come, and every bracket has
-- started its trials; where trials go on after that, when none waits; and when nothing runs and the budget is spent.
local function end_search_if_done(search)
  local progress, clones = search.progress, search.counts.clones
  if progress.state ~= ExperimentState.running or search.live > 0 then return end
  if out_of_budget(search) then
    progress.budget_spent = true
  else
    if search.requeued > 0 or search.promotable > 0 or (search.waiting or 0) > 0 then return end
    if clones and #clones > 0 then return end
    for index in ipairs(search.ladder.trials) do
      if trials_left(search, index - 1) > 0 then return end
    end
  end
  progress.state = ExperimentState.done
  log_event(search, ExperimentState.done)
end
