#!lua
-- Stores a new experiment.
-- Promise: one experiment per id; the call repeated with the same request id finds its own.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 print of the request  5 plan (JSON, as Lua uses it)  6 plan (JSON, as Python uses it)
--        7 config (JSON)  8 notes (JSON)  9 schema  10 number of points, 0 = they are not counted  11 how often a grid has each, 0 = no grid
--        12 number of queued configurations, each another point, then these
--        … configurations proposed for the first trials
-- Returns {'created', uid, created_ms} or {'exists'} or {'reused'}
-- Replay the same request id returns the uid and time of the experiment it made
--- @include "clock"
--- @include "plan"
local META, CONFIGS, QUEUE = KEYS[1], KEYS[3], KEYS[12]
--- @include "points"
local queued, size = tonumber(ARGV[12]), tonumber(ARGV[10])
local uid, now, request, print = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local found = redis.call('HMGET', META, 'uid', 'created', 'request', 'print')
if found[1] then
  if request == '' or found[3] ~= request then return { 'exists' } end
  if found[4] ~= print then return { 'reused' } end
  return { 'created', found[1], found[2] }
end

now = clock(now)
local tally = {
  state = 'running', revision = 1, next_trial = 0, next_fence = now * 1000, next_entry = 0, proposed = #ARGV - 12 - queued, trained = 0,
  generation = 0, since = now,
}
local parts, plan, ladder = packed_plan(ARGV[5])
local counts = { started = {}, live = {}, states = {}, sizes = {}, passed = {} }
for b = 1, #parts.ladder.trials do counts.started[b], counts.live[b] = 0, 0 end
for at = 1, #parts.ladder.lengths do counts.sizes[at], counts.passed[at] = 0, 0 end
if size > 0 then counts.points = { size = size, samples = tonumber(ARGV[11]), passes = 0, left = size, at = 0, invalid = 0, lost = 0 } end

redis.call('HLEN', CONFIGS)
redis.call('LLEN', QUEUE)
if size > 0 then redis.call('HLEN', KEYS[14]) end
for i = 13, 12 + queued do
  redis.call('RPUSH', QUEUE, ARGV[i])
  if size > 0 then use_point({ tally = tally, counts = counts }, ARGV[i]) end
end
redis.call('HSET', META, 'schema', ARGV[9], 'uid', uid, 'created', string.format('%.0f', now), 'request', request,
  'print', print, 'config', ARGV[7], 'plan', plan, 'ladder', ladder, 'plan_json', ARGV[6], 'notes', ARGV[8], 'tally', cmsgpack.pack(tally),
  'counts', cmsgpack.pack(counts))
if size > 0 then redis.call('HSET', META, 'keys', 'points') end
for i = 13 + queued, #ARGV do
  local number = i - 13 - queued
  if size == 0 or number >= counts.points.at then redis.call('HSET', CONFIGS, tostring(number), ARGV[i]) end
end
return { 'created', uid, string.format('%.0f', now) }
