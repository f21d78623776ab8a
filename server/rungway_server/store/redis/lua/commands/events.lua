#!lua flags=no-writes
-- Reads a piece of the event log, oldest first, and where the search stands.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 after this event id ('' = from the beginning)  3 how many at most
-- Returns {'events', state, {id, event (see include/events.lua)}…}, {'missing'} or {'stale'}
--- @include "call"
--- @include "events"
local meta = redis.call('HMGET', META, 'uid', 'tally')
if not meta[1] then return { 'missing' } end
if meta[1] ~= ARGV[1] then return { 'stale' } end

local answer = { 'events', cmsgpack.unpack(meta[2]).state }
event_lines(answer, redis.call('XRANGE', EVENTS, ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'COUNT', ARGV[3]))
return answer
