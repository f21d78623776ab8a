#!lua flags=no-writes
-- Reads trials, as many as make up a piece.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 most bytes of records (one trial at least)  3 '1' = with further metrics  4… trial numbers
-- Returns {'trials', how many numbers were looked at, {trial}…} (none for a number without a trial),
--         {'missing'} or {'stale'}; trial: see `view` below
--- @include "call"
--- @include "trials"
--- @include "checkpoints"
-- Its last points and how many there are stand for its curve (`add_point` in include/reports.lua).
local function view(number, trial)
  return {
    number, trial.state, trial.config, trial.bracket, trial.rung, trial.length, trial.metric, trial.best_key,
    trial.best_length, trial.restarts, trial.checkpoint, trial.checkpoint_length, trial.worker, trial.outcome,
    trial.message, trial.created, trial.points, trial.tail, trial.parent and trial.parent[1] or '',
    best_checkpoint_of(trial), trial.origin or '', trial.objectives,
  }
end

-- The names of its further metrics, and the last piece of these; '' where there is none.
local function further_of(number, stored)
  return { stored or '', stored and redis.call('HGET', CURVES, 'm' .. number) or '' }
end

local meta = redis.call('HMGET', META, 'uid', ARGV[3] == '1' and 'further' or 'uid')
if not meta[1] then return { 'missing' } end
if meta[1] ~= ARGV[1] then return { 'stale' } end

local answer, bytes_left = { 'trials', #ARGV - 3 }, tonumber(ARGV[2])
for i = 4, #ARGV do
  local packed = redis.call('HGET', TRIALS, ARGV[i])
  if packed then
    bytes_left = bytes_left - #packed
    if bytes_left < 0 and i > 4 then
      answer[2] = i - 4
      break
    end
    local found = view(ARGV[i], unpack_trial(packed))
    if ARGV[3] == '1' then found[#found + 1] = further_of(ARGV[i], meta[2]) end
    answer[#answer + 1] = found
  end
end
return answer
