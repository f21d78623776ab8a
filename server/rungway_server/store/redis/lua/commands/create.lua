#!lua
-- Stores a new experiment.
-- Promise: one experiment per id; the call repeated with the same request id finds its own.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 fingerprint of the request  5 plan (JSON, as Lua uses it)
--        6 plan (JSON, as Python uses it)  7 config (JSON)  8 notes (JSON)  9 schema
--        10 labels, owner and comment (JSON), '' = none
--        11 number of points, 0 = they are not counted  12 how often a grid has each, 0 = no grid
--        13 number of enqueued configurations, each another point, then these
--        … suggestions for the first trials
-- Returns {'created', uid, created_ms} or {'exists'} or {'reused'}
-- Replay the same request id returns the uid and time of the experiment it made
--- @include "call"
--- @include "experiment"
--- @include "points"
--- @include "costs"
--- @include "numbers"
local uid, request, fingerprint = ARGV[1], ARGV[3], ARGV[4]
local found = redis.call('HMGET', META, 'uid', 'created', 'request', 'print')
if found[1] then
  if request == '' or found[3] ~= request then return { 'exists' } end
  if found[4] ~= fingerprint then return { 'reused' } end
  return { 'created', found[1], found[2] }
end

local now_ms, size, enqueued = clock(ARGV[2]), tonumber(ARGV[11]), tonumber(ARGV[13])
local progress = {
  state = ExperimentState.running, revision = 1, next_trial = 0, next_fence = now_ms * 1000, next_entry = 0,
  proposed = #ARGV - 13 - enqueued, trained = 0, generation = 0, since = now_ms,
}
local parts, plan, ladder = packed_plan(ARGV[5])
local counts = { started = {}, live = {}, states = {}, sizes = {}, passed = {} }
for index = 1, #parts.ladder.trials do counts.started[index], counts.live[index] = 0, 0 end
for at = 1, #parts.ladder.lengths do counts.sizes[at], counts.passed[at] = 0, 0 end
if size > 0 then
  counts.points = { size = size, samples = tonumber(ARGV[12]), passes = 0, left = size, at = 0, invalid = 0, lost = 0 }
end

local sources, entries = parts.ladder.sources, parts.ladder.entries
if sources then
  counts.sources = first_numbers(sources.shares, #sources.codes)
  counts.stock = string.rep('\0', 8 + 24 * (#sources.codes + 1) + 4 * #counts.sizes)
end
if entries then counts.entries = first_numbers(entries, parts.ladder.rungs[1]) end
if not entries and (parts.ladder.budget or (sources and sources.learns)) then counts.spent = { 0 } end
if parts.plan.cost_aware then
  if entries then counts.entries_costs = no_costs(parts.ladder.rungs[1]) end
  if sources and sources.learns then counts.sources_costs = no_costs(#sources.codes) end
end
if parts.ladder.budget_ms then counts.deadline = now_ms + parts.ladder.budget_ms end

redis.call('HLEN', CONFIGS)
redis.call('LLEN', ENQUEUED)
if size > 0 then redis.call('HLEN', POINTS) end
for i = 14, 13 + enqueued do
  redis.call('RPUSH', ENQUEUED, ARGV[i])
  if size > 0 then use_point({ progress = progress, counts = counts }, ARGV[i]) end
end
local created_ms = string.format('%.0f', now_ms)
redis.call('HSET', META, 'schema', ARGV[9], 'uid', uid, 'created', created_ms, 'request', request, 'print', fingerprint,
  'config', ARGV[7], 'plan', plan, 'ladder', ladder, 'plan_json', ARGV[6], 'notes', ARGV[8],
  'tally', cmsgpack.pack(progress), 'counts', cmsgpack.pack(counts))
if size > 0 then redis.call('HSET', META, 'keys', 'points') end
if ARGV[10] ~= '' then redis.call('HSET', META, 'about', ARGV[10]) end
for i = 14 + enqueued, #ARGV do
  local number = i - 14 - enqueued
  if size == 0 or number >= counts.points.at then redis.call('HSET', CONFIGS, tostring(number), ARGV[i]) end
end
return { 'created', uid, created_ms }
