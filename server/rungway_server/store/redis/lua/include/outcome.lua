-- What each outcome does to a trial whose lease holds.
--- @include "spoil"
local function invalidate(x, number, trial, message)
  if trial.parent then trial.entries = {} end -- those of its parent's rungs; it has none of its own yet
  displace(x, number, trial)
  if trial.best_key ~= '' then redis.call('ZREM', BEST, best_member(number, trial.best_key)) end
  end_lease(x, number, trial, 'invalid')
  local started, b = x.counts.started, trial.bracket + 1
  started[b] = started[b] - 1
  trial.outcome, trial.message = 'invalid', message
  if x.counts.points and not trial.parent then spoil(x, trial) end
  local why = no_rung('invalid', trial)
  log_decision(x, 'invalid', number, why)
  if x.tally.state == 'running' and x.counts.states.invalid >= x.plan.most_invalid then
    x.tally.state = 'stopped'
    log_event(x, 'too_many_invalid')
  end
  if trial.parent and not is_over(x) then add_clone(x, trial.bracket, trial.parent) end
  return verdict('stop', why)
end

local function end_trial(x, number, trial, outcome, message)
  if outcome == 'preempted' or (outcome == 'transient' and is_over(x)) then return give_back(x, number, trial) end
  -- What has been compared in a round that is over stays there, so a trial of a population can only be replaced before.
  local compared = x.plan.rule == 'population' and (trial.entries[trial.rung] or '') ~= ''
  if outcome == 'invalid' and not compared then return invalidate(x, number, trial, message) end
  if outcome == 'transient' then
    local lives, why = restart(x, number, trial, message)
    return verdict(lives and 'pause' or 'stop', why)
  end
  return verdict('stop', die(x, number, trial, outcome, message))
end
