#!lua
-- Gives a live experiment a plan with other numbers of trials or leases; brackets and rungs stay.
-- Promise: no bracket gets fewer trials than it has started, and every queued configuration keeps a new trial to take it.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 plan (JSON, as Lua uses it)  4 plan (JSON, as Python uses it)  5 config (JSON)
-- Returns {'changed'}, {'started'} (a bracket has started more by now), {'queued', started in all, configurations queued}
--         (more than the plan has room for), {'refused', state}, {'missing'} or {'stale'}
-- Replay changes nothing more
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
if tally.state == 'stopped' or tally.target_reached then return { 'refused', tally.state } end
local started, room = 0, 0
for b, trials in ipairs(parts.ladder.trials) do
  if x.counts.started[b] > parts.ladder.most[b] then return { 'started' } end
  started, room = started + x.counts.started[b], room + trials - x.counts.started[b]
end
if x.wanted > math.max(room, 0) then return { 'queued', started, x.wanted } end

x.plan, x.ladder = parts.plan, parts.ladder
if tally.state == 'done' then tally.state = 'running' end
log_event(x, 'changed')
settle(x)
redis.call('HSET', META, 'plan', plan, 'ladder', ladder, 'plan_json', ARGV[4], 'config', ARGV[5])
save(x)
return { 'changed' }
