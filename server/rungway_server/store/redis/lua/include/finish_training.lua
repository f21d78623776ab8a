-- A training that is over before its assignment: its last result stands in the rung it trained towards and, where it may go up,
-- without training in those above. It is never handed out again.
local function finish_training(x, number, trial)
  -- Servers of layout 5 would hand such a trial out again.
  redis.call('HSET', META, 'schema', 6)
  end_lease(x, number, trial, 'completed')
  trial.outcome, trial.returns = 'finished', 0
  local b, k, key, why, passes = trial.bracket, trial.rung, ranked(trial.metric), nil, nil
  if x.plan.form == 'stop' then
    why = place_stop(x, b, k, number, trial, key)
  else
    why, passes = place(x, b, k, number, trial, key)
  end
  log_decision(x, 'finished', number, with_reason('finished', why))
  if passes then why = raise_ended(x, number, trial) end
  return verdict('stop', with_reason('finished', why))
end
