#!lua flags=no-writes
-- Reads a piece of the event log, oldest first.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 after this event id ('' = from the beginning)  3 how many at most
-- Returns {'events', {id, event (see include/event.lua)}…}, {'missing'} or {'stale'}
--- @include "experiment"
--- @include "event_lines"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local answer = { 'events' }
event_lines(answer, redis.call('XRANGE', EVENTS, ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'COUNT', ARGV[3]))
return answer
