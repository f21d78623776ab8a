#!lua flags=no-writes
-- Reads where the search stands, and what tells which trials have changed: the event log, and the leases that were
-- renewed.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 after this event id ('' = the last ones)  4 most events
--        5 leases that end at this time (ms) or later  6 most leases
-- Returns {'changes', JSON, counts (JSON), {promotable trials of each rung}, error that it paused itself after or '',
--          time (ms), id of the oldest event or '', {{id, event (see include/events.lua)}…},
--          {trial, end of its lease (ms)…} (first ends first), end of the last lease (ms) or ''},
--         {'missing'} or {'stale'}
--- @include "call"
--- @include "standing"
--- @include "events"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local progress, counts, promotable, failing = standing()
local lines, events = nil, {}
if ARGV[3] == '' then
  local last = redis.call('XREVRANGE', EVENTS, '+', '-', 'COUNT', ARGV[4])
  lines = {}
  for i = #last, 1, -1 do lines[#lines + 1] = last[i] end
else
  lines = redis.call('XRANGE', EVENTS, '(' .. ARGV[3], '+', 'COUNT', ARGV[4])
end
event_lines(events, lines)
local oldest = redis.call('XRANGE', EVENTS, '-', '+', 'COUNT', 1)[1]
local renewed = redis.call('ZRANGEBYSCORE', LEASES, ARGV[5], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[6])
local last = redis.call('ZRANGE', LEASES, -1, -1, 'WITHSCORES')
local time_ms = clock(ARGV[2])
local first_id, last_ms = oldest and oldest[1] or '', last[2] or ''
return { 'changes', progress, counts, promotable, failing, time_ms, first_id, events, renewed, last_ms }
