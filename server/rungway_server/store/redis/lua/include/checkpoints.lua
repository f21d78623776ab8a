-- Checkpoints of a trial: the last one, which it goes on from, and the one that was told together with its best result.
-- The search remembers the last ones that others have replaced, so that their owner can delete them: `superseded` of
-- the progress has the number of the first that is remembered, that of the next to come, and their bytes.
-- Gives  best_checkpoint_of, keep_checkpoint, replace_best
--- @include "call"
--- @include "experiment"
--- @include "sort_keys"
--- @include "trials"
-- A record says it only where it is neither the last checkpoint, at the length of the best result, nor none.
local function best_checkpoint_of(trial)
  if trial.best_checkpoint then return trial.best_checkpoint end
  return trial.best_key ~= '' and trial.checkpoint_length == trial.best_length and trial.checkpoint or ''
end

-- Remembers a checkpoint that the trial had until now, unless it still has it.
local function supersede(search, number, trial, checkpoint)
  local known = search.progress.superseded or { 0, 0, 0 }
  local first, following, bytes = unpack(known)
  if checkpoint ~= '' and checkpoint ~= trial.checkpoint and checkpoint ~= best_checkpoint_of(trial) then
    local kept = cmsgpack.pack({ search.now_ms, tonumber(number), checkpoint })
    redis.call('HSET', CURVES, 's' .. following, kept)
    following, bytes = following + 1, bytes + #kept
  end
  while following - first > Size.most_superseded or bytes > Size.most_superseded_bytes do
    local oldest = 's' .. first
    bytes = bytes - #redis.call('HGET', CURVES, oldest)
    redis.call('HDEL', CURVES, oldest)
    first = first + 1
  end
  if following == known[2] and not trial.best_checkpoint then return end
  search.progress.superseded, search.changed = { first, following, bytes }, true
  need_layout(search, Size.checkpoints_layout)
end

-- A new last checkpoint of this length. It is that of the best result, too, if the last result is the best one. A name
-- that comes again is of the later state alone.
local function keep_checkpoint(search, number, trial, length, checkpoint)
  local last, best = trial.checkpoint, best_checkpoint_of(trial)
  note_progress(trial, length, checkpoint)
  trial.best_checkpoint = nil
  local is_best = length == trial.length and length == trial.best_length
  if not (is_best and ranked(trial.metric) == ranked(trial.best_key)) then
    local kept = best == checkpoint and '' or best
    if best_checkpoint_of(trial) ~= kept then trial.best_checkpoint = kept end
  end
  supersede(search, number, trial, last)
  if best ~= last then supersede(search, number, trial, best) end
end

-- A new best result: the checkpoint of the one before is that of the best no more.
local function replace_best(search, number, trial)
  local best = trial.best_checkpoint
  trial.best_checkpoint = nil
  supersede(search, number, trial, best)
end
