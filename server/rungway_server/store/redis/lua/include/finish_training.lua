-- A training that is over before its assignment: its last result stands in the rung it trained towards and, where it may go up,
-- without training in those above. It is never handed out again.
local function last_length(number, trial)
  local points = trial.tail
  if points == '' then points = redis.call('HGET', CURVES, number .. '.' .. trial.points / 16 - 1) end
  return struct.unpack('>I8', points, #points - 15)
end

local function finish_training(x, number, trial)
  end_lease(x, number, trial, 'completed')
  trial.outcome, trial.returns, x.layout = 'finished', 0, 6
  local b, k, key, why, passes = trial.bracket, trial.rung, ranked(trial.metric), nil, nil
  if x.plan.form == 'stop' then
    why = place_stop(x, b, k, number, trial, key)
  else
    why, passes = place(x, b, k, number, trial, key)
  end
  log_decision(x, 'stop', number, with_reason('finished', why))
  -- That of the result, which may have been told under an earlier lease; the line above has how far this lease came.
  trial.length = last_length(number, trial)
  if passes then raise_ended(x, number, trial) end
  return verdict('stop', with_reason('finished', why))
end
