-- Leases: the right to report on a trial until a deadline, with a fencing number that only grows. It keeps up with the
-- clock: a Redis without the last moments of another must not give a number again that somebody still holds.
local function holds(trial, fence) return trial.state == 'running' and trial.fence == tonumber(fence) end

local function renew(x, number)
  x.renewed[number] = x.now + x.plan.lease_ms
  return x.renewed[number]
end

local function grant(x, number, trial, worker)
  local tally, live, b = x.tally, x.counts.live, trial.bracket
  set_state(x, trial, 'running')
  trial.fence = math.max(tally.next_fence, x.micros)
  tally.next_fence = trial.fence + 1
  trial.from, trial.length, trial.worker = trial.checkpoint_length, trial.checkpoint_length, worker
  trial.returns = trial.returns + 1
  trial.next = rung_length(x, b, trial.rung)
  trial.to = x.plan.form == 'stop' and rung_length(x, b, x.ladder.rungs[b + 1] - 1) or trial.next
  live[b + 1], x.live = live[b + 1] + 1, x.live + 1
  return renew(x, number)
end

-- Ends the lease; the trial goes to the given state.
local function end_lease(x, number, trial, state)
  redis.call('ZREM', LEASES, number)
  local live, b = x.counts.live, trial.bracket + 1
  live[b], x.live, x.renewed[number] = live[b] - 1, x.live - 1, nil
  trial.request, trial.print, trial.verdict, trial.next, trial.to = '', '', '', 0, 0
  set_state(x, trial, state)
end

-- Ends the lease and puts the trial back in line.
local function requeue(x, number, trial)
  end_lease(x, number, trial, 'queued')
  redis.call('RPUSH', LINE, number)
  x.queued = x.queued + 1
end
