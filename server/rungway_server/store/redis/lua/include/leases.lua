-- Leases: the right to report on a trial until a deadline, with a fencing token that only grows. It keeps up with the
-- clock: after a failover, a Redis that has lost the last moments must not give out a token that somebody still holds.
-- Gives  holds, renew, grant, end_lease, requeue
--- @include "call"
--- @include "trials"
--- @include "rungs"
--- @include "budget"
local function holds(trial, fencing_token)
  return trial.state == TrialState.running and trial.fencing_token == tonumber(fencing_token)
end

-- Returns the new deadline (ms).
local function renew(search, number)
  local deadline_ms = search.now_ms + search.plan.lease_ms
  search.renewed[number] = deadline_ms
  return deadline_ms
end

-- Returns the deadline (ms).
local function grant(search, number, trial, worker)
  local progress, live, bracket = search.progress, search.counts.live, trial.bracket
  set_state(search, trial, TrialState.running)
  trial.fencing_token = math.max(progress.next_fence, search.now_us)
  progress.next_fence = trial.fencing_token + 1
  trial.from_length, trial.length, trial.worker = trial.checkpoint_length, trial.checkpoint_length, worker
  trial.returns = trial.returns + 1
  trial.next_length = rung_length(search, bracket, trial.rung)
  local top = search.ladder.rungs[bracket + 1] - 1
  trial.to_length = search.plan.form == DecisionForm.stop and rung_length(search, bracket, top) or trial.next_length
  live[bracket + 1], search.live = live[bracket + 1] + 1, search.live + 1
  if search.counts.spent or search.counts.entries then spend(search, trial, trial.to_length - trial.from_length) end
  return renew(search, number)
end

-- Ends the lease; the trial goes to the given state.
local function end_lease(search, number, trial, state)
  redis.call('ZREM', LEASES, number)
  if search.counts.spent or search.counts.entries then spend(search, trial, trial.length - trial.to_length) end
  local live, index = search.counts.live, trial.bracket + 1
  live[index], search.live, search.renewed[number] = live[index] - 1, search.live - 1, nil
  trial.request, trial.fingerprint, trial.reply, trial.next_length, trial.to_length = '', '', '', 0, 0
  set_state(search, trial, state)
end

-- Ends the lease; the trial waits to be handed out again.
local function requeue(search, number, trial)
  end_lease(search, number, trial, TrialState.queued)
  redis.call('RPUSH', REQUEUED, number)
  search.requeued = search.requeued + 1
end
