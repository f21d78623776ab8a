-- Progress of a trial: a checkpoint longer than any before or, while it has none, a length told further than any before. Restarts
-- and fruitless leases are counted since the last. `checkpoint` is nil where a length alone was told.
local function note_progress(trial, length, checkpoint)
  local first, further = trial.checkpoint == '', length > trial.reached
  if (first and checkpoint) or (further and (first or checkpoint)) then
    trial.reached, trial.restarts, trial.returns = length, 0, 0
  end
  if checkpoint then trial.checkpoint, trial.checkpoint_length = checkpoint, length end
end
