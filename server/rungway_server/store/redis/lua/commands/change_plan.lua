#!lua
-- Gives an experiment another configuration and the plan of it: other numbers of trials or leases, or another retention;
-- brackets and rungs stay.
-- Promise: no bracket gets fewer trials than it has started, and every queued configuration keeps a new trial to take it;
-- no change is made to a configuration that nobody has seen.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 plan (JSON, as Lua uses it)  4 plan (JSON, as Python uses it)  5 config (JSON)
--        6 config that is changed (JSON)  7 schema  8 notes (JSON)
-- Returns {'changed'}, {'outdated'} (the config is another one by now), {'started'} (a bracket has started more by now),
--         {'queued', started in all, configurations queued} (more than the plan has room for), {'refused', state},
--         {'missing'} or {'stale'}
-- Replay finds the config outdated, unless it stayed the same
--- @include "experiment"
--- @include "event"
--- @include "settle"
--- @include "plan"
--- @include "trial"
--- @include "save"
local x, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
open_ladder(x)
local tally, parts, plan, ladder = x.tally, packed_plan(ARGV[3])
local known = redis.call('HMGET', META, 'config', 'plan_json')
if known[1] ~= ARGV[6] then return { 'outdated' } end
if known[2] ~= ARGV[4] then
  if tally.state == 'stopped' or tally.target_reached then return { 'refused', tally.state } end
  local started, room = 0, 0
  for b, trials in ipairs(parts.ladder.trials) do
    if x.counts.started[b] > parts.ladder.most[b] then return { 'started' } end
    started, room = started + x.counts.started[b], room + trials - x.counts.started[b]
  end
  if x.wanted > math.max(room, 0) then return { 'queued', started, x.wanted } end
  if tally.state == 'done' then tally.state = 'running' end
end

x.plan, x.ladder = parts.plan, parts.ladder
log_event(x, 'changed')
settle(x)
redis.call(
  'HSET', META, 'plan', plan, 'ladder', ladder, 'plan_json', ARGV[4], 'config', ARGV[5], 'notes', ARGV[8], 'schema', ARGV[7]
)
keep()
save(x)
return { 'changed' }
