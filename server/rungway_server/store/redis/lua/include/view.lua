-- What is shown of a trial; nil when there is none.
local function view(number, with_curve)
  local packed = redis.call('HGET', TRIALS, number)
  if not packed then return nil end
  local trial, points = unpack_trial(packed), {}
  if with_curve then
    for chunk = 0, math.floor(trial.points / 16) - 1 do points[#points + 1] = redis.call('HGET', CURVES, number .. '.' .. chunk) end
    points[#points + 1] = trial.tail
  end
  return {
    number, trial.state, trial.config, trial.bracket, trial.rung, trial.length, trial.metric,
    trial.best_key, trial.best_length, trial.restarts, trial.checkpoint, trial.checkpoint_length, trial.worker, trial.outcome,
    trial.message, trial.created, table.concat(points), trial.parent and trial.parent[1] or '',
  }
end
