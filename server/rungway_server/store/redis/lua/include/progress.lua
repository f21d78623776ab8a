-- Progress of a trial: a checkpoint longer than any before or, while it has none, a length told further than any before. Restarts
-- and fruitless leases are counted since the last.
local function note_progress(trial, length) trial.reached, trial.restarts, trial.returns = length, 0, 0 end

local function note_length(trial, length)
  if trial.checkpoint == '' and length > trial.reached then note_progress(trial, length) end
end

local function note_checkpoint(trial, checkpoint, length)
  if trial.checkpoint == '' or length > trial.reached then note_progress(trial, length) end
  trial.checkpoint, trial.checkpoint_length = checkpoint, length
end
