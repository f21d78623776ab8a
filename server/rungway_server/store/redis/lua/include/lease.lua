-- Leases: the right to report on a trial until a deadline, with a fencing number that only grows. It keeps up with the
-- clock: a Redis without the last moments of another must not give a number again that somebody still holds.
local function holds(trial, fence) return trial.state == 'running' and trial.fence == tonumber(fence) end

local function renew(x, number)
  local deadline = x.now + x.plan.lease_ms
  redis.call('ZADD', LEASES, deadline, number)
  return deadline
end

local function grant(x, number, trial, worker)
  local tally, b = x.tally, trial.bracket + 1
  set_state(x, trial, 'running')
  trial.fence = math.max(tally.next_fence, x.micros)
  tally.next_fence = trial.fence + 1
  trial.from, trial.length, trial.worker = trial.checkpoint_length, trial.checkpoint_length, worker
  trial.to = rung_length(x, trial.bracket, trial.rung)
  if x.plan.form == 'stop' then trial.to = rung_length(x, trial.bracket, #x.plan.brackets[b].rungs - 1) end
  tally.live[b], x.live = tally.live[b] + 1, x.live + 1
  return renew(x, number)
end

-- Ends the lease; the trial goes to the given state.
local function end_lease(x, number, trial, state)
  redis.call('ZREM', LEASES, number)
  local b = trial.bracket + 1
  x.tally.live[b], x.live = x.tally.live[b] - 1, x.live - 1
  trial.request, trial.print, trial.verdict = '', '', ''
  set_state(x, trial, state)
end

-- Ends the lease and puts the trial back in line.
local function requeue(x, number, trial)
  end_lease(x, number, trial, 'queued')
  redis.call('RPUSH', LINE, number)
  x.queued = x.queued + 1
end
