#!lua flags=no-writes
-- Reads the life of a trial: its lines of the event log, oldest first.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 trial number
-- Returns {'events', {id, event (see include/event.lua)}…}, {'unknown_trial', number}, {'missing'} or {'stale'}
--- @include "experiment"
--- @include "trial"
--- @include "event_lines"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end
local packed = redis.call('HGET', TRIALS, ARGV[2])
if not packed then return { 'unknown_trial', ARGV[2] } end

local answer = { 'events' }
local trial = unpack_trial(packed)
for i = 1, #trial.log, 2 do
  local id = string.format('%.0f-%.0f', trial.created + trial.log[i], trial.log[i + 1])
  event_lines(answer, redis.call('XRANGE', EVENTS, id, id))
end
return answer
