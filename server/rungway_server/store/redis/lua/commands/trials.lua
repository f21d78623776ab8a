#!lua flags=no-writes
-- Reads trials, as many as make up a piece.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 most bytes of records (one trial at least)  3… trial numbers
-- Returns {'trials', how many numbers were looked at, {trial}…} (none for a number without a trial),
--         {'missing'} or {'stale'}; trial: see `view` below
--- @include "call"
--- @include "trials"
-- Its last points and how many there are stand for its curve (`add_point` in include/reports.lua).
local function view(number, trial)
  return {
    number, trial.state, trial.config, trial.bracket, trial.rung, trial.length, trial.metric, trial.best_key,
    trial.best_length, trial.restarts, trial.checkpoint, trial.checkpoint_length, trial.worker, trial.outcome,
    trial.message, trial.created, trial.points, trial.tail, trial.parent and trial.parent[1] or '',
  }
end

local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local answer, bytes_left = { 'trials', #ARGV - 2 }, tonumber(ARGV[2])
for i = 3, #ARGV do
  local packed = redis.call('HGET', TRIALS, ARGV[i])
  if packed then
    bytes_left = bytes_left - #packed
    if bytes_left < 0 and i > 3 then
      answer[2] = i - 3
      break
    end
    answer[#answer + 1] = view(ARGV[i], unpack_trial(packed))
  end
end
return answer
