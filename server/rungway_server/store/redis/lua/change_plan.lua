#!lua
-- Gives a live experiment a plan with other numbers of trials or leases; brackets and rungs stay.
-- Promise: no bracket gets fewer trials than it has started, and every queued configuration keeps a new trial to take it.
-- KEYS   see KEYS.md (rungs are not needed)
-- ARGV   1 uid  2 now_ms or ''  3 plan (JSON, as Lua uses it)  4 plan (JSON, as Python uses it)  5 config (JSON)
-- Returns {'changed'}, {'started'} (a bracket has started more by now), {'queued', started in all, configurations queued}
--         (more than the plan has room for), {'refused', state}, {'missing'} or {'stale'}
-- Replay changes nothing more
--- @include "experiment"
--- @include "event"
--- @include "settle"
local x, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local tally, plan = x.tally, cjson.decode(ARGV[3])
if tally.state == 'stopped' or tally.target_reached then return { 'refused', tally.state } end
local started, room = 0, 0
for b, bracket in ipairs(plan.brackets) do
  if tally.started[b] > bracket.most then return { 'started' } end
  started, room = started + tally.started[b], room + bracket.trials - tally.started[b]
end
if x.wanted > math.max(room, 0) then return { 'queued', started, x.wanted } end

x.plan = plan
if tally.state == 'done' then tally.state = 'running' end
log_event(x, 'changed', -1)
settle(x)
redis.call('HSET', META, 'plan', cmsgpack.pack(plan), 'plan_json', ARGV[4], 'config', ARGV[5])
save_experiment(x)
return { 'changed' }
