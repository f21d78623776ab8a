#!lua flags=no-writes
-- Reads the life of a trial: its lines of the event log, oldest first.
-- KEYS   see KEYS.md (rungs are not needed)
-- ARGV   1 uid  2 trial number
-- Returns {'events', {id, event, state}…}, {'unknown_trial', number}, {'missing'} or {'stale'}
--- @include "experiment"
--- @include "trial"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end
local packed = redis.call('HGET', TRIALS, ARGV[2])
if not packed then return { 'unknown_trial', ARGV[2] } end

local answer = { 'events' }
for _, id in ipairs(unpack_trial(packed).log) do
  local entry = redis.call('XRANGE', EVENTS, id, id)[1]
  if entry then answer[#answer + 1] = { id, entry[2][2], entry[2][4] } end
end
return answer
