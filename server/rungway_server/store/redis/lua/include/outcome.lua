-- What each outcome does to a trial whose lease holds.
local function invalidate(x, number, trial, message)
  displace(x, number, trial)
  if trial.best_key ~= '' then redis.call('ZREM', BEST, best_member(number, trial)) end
  end_lease(x, number, trial, 'invalid')
  local b = trial.bracket + 1
  x.tally.started[b] = x.tally.started[b] - 1
  trial.outcome, trial.message = 'invalid', message
  local why = no_rung('invalid', trial)
  log_decision(x, 'invalid', number, why)
  if x.tally.state == 'running' and x.tally.states.invalid >= x.plan.most_invalid then
    x.tally.state = 'stopped'
    log_event(x, 'too_many_invalid', -1)
  end
  return verdict('stop', why)
end

local function end_trial(x, number, trial, outcome, message)
  if outcome == 'preempted' or (outcome == 'transient' and is_over(x)) then return give_back(x, number, trial) end
  if outcome == 'invalid' then return invalidate(x, number, trial, message) end
  if outcome == 'transient' then
    local lives, why = restart(x, number, trial, message)
    return verdict(lives and 'pause' or 'stop', why)
  end
  return verdict('stop', die(x, number, trial, outcome, message))
end
