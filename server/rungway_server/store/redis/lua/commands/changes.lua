#!lua flags=no-writes
-- Reads where the search stands, and what tells which trials have changed: the event log, and the leases that were
-- renewed.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 after this event id ('' = the last ones)  3 most events
--        4 leases that end at this time (ms) or later  5 most leases
-- Returns {'changes', JSON, counts (JSON), {promotable trials of each rung}, error that it paused itself after or '',
--          time (ms), id of the oldest event or '', {{id, event (see include/events.lua)}…},
--          {trial, end of its lease (ms)…} (first ends first), end of the last lease (ms) or ''},
--         {'missing'} or {'stale'}
--- @include "call"
--- @include "standing"
--- @include "events"
local progress, counts, promotable, failing = standing(ARGV[1])
if not progress then return counts end

local lines, events = nil, {}
if ARGV[2] == '' then
  local last = redis.call('XREVRANGE', EVENTS, '+', '-', 'COUNT', ARGV[3])
  lines = {}
  for i = #last, 1, -1 do lines[#lines + 1] = last[i] end
else
  lines = redis.call('XRANGE', EVENTS, '(' .. ARGV[2], '+', 'COUNT', ARGV[3])
end
event_lines(events, lines)
local oldest = redis.call('XRANGE', EVENTS, '-', '+', 'COUNT', 1)[1]
local renewed = redis.call('ZRANGEBYSCORE', LEASES, ARGV[4], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[5])
local last = redis.call('ZRANGE', LEASES, -1, -1, 'WITHSCORES')
return {
  'changes', progress, counts, promotable, failing, (clock('')), oldest and oldest[1] or '', events, renewed,
  last[2] or '',
}
