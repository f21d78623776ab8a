-- What is shown of a trial: its last points and how many there are stand for its curve (see curve.lua for the others).
local function view(number, packed)
  local trial = unpack_trial(packed)
  return {
    number, trial.state, trial.config, trial.bracket, trial.rung, trial.length, trial.metric,
    trial.best_key, trial.best_length, trial.restarts, trial.checkpoint, trial.checkpoint_length, trial.worker, trial.outcome,
    trial.message, trial.created, trial.points, trial.tail, trial.parent and trial.parent[1] or '',
  }
end
