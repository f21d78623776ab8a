#!lua flags=no-writes
-- Reads trials, as many as make up a piece.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 most bytes of records, but for one trial at least  3… trial numbers
-- Returns {'trials', how many numbers were looked at, {trial view (see include/view.lua)}…} (none for a number without a trial),
--         {'missing'} or {'stale'}
--- @include "experiment"
--- @include "trial"
--- @include "view"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local answer, left = { 'trials', #ARGV - 2 }, tonumber(ARGV[2])
for i = 3, #ARGV do
  local packed = redis.call('HGET', TRIALS, ARGV[i])
  if packed then
    left = left - #packed
    if left < 0 and i > 3 then
      answer[2] = i - 3
      break
    end
    answer[#answer + 1] = view(ARGV[i], packed)
  end
end
return answer
