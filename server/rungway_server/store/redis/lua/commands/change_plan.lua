#!lua
-- Replaces the configuration of an experiment and its plan: other numbers of trials or leases, or another retention.
-- Brackets and rungs stay.
-- Promise: no bracket gets fewer trials than it has started, and every enqueued configuration keeps a new trial to use
-- it; no change is made to a configuration that nobody has seen.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 plan (JSON, as Lua uses it)  4 plan (JSON, as Python uses it)  5 config (JSON)
--        6 config that is changed (JSON)  7 schema  8 notes (JSON)
-- Returns {'changed'}, {'outdated'} (the config is another one by now),
--         {'started'} (a bracket has started more by now),
--         {'enqueued', started in all, configurations enqueued} (more than the plan has room for), {'refused', state},
--         {'missing'} or {'stale'}
-- Replay finds the config outdated, unless it stayed the same
--- @include "call"
--- @include "experiment"
--- @include "events"
--- @include "endings"
local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
open_ladder(search)
local progress, parts, plan, ladder = search.progress, packed_plan(ARGV[3])
local known = redis.call('HMGET', META, 'config', 'plan_json', 'schema')
if known[1] ~= ARGV[6] then return { 'outdated' } end
if known[2] ~= ARGV[4] then
  if progress.state == ExperimentState.stopped or progress.target_reached then return { 'refused', progress.state } end
  local started, left = 0, 0
  for index, trials in ipairs(parts.ladder.trials) do
    local started_there = search.counts.started[index]
    if started_there > parts.ladder.most[index] then return { 'started' } end
    started, left = started + started_there, left + trials - started_there
  end
  if search.enqueued > math.max(left, 0) then return { 'enqueued', started, search.enqueued } end
  if progress.state == ExperimentState.done then progress.state = ExperimentState.running end
end

search.plan, search.ladder = parts.plan, parts.ladder
log_event(search, 'changed')
end_search_if_done(search)
redis.call('HSET', META, 'plan', plan, 'ladder', ladder, 'plan_json', ARGV[4], 'config', ARGV[5], 'notes', ARGV[8],
  'schema', math.max(ARGV[7], known[3]))
keep_all()
save(search)
return { 'changed' }
