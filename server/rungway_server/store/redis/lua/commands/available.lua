#!lua flags=no-writes
-- Looks whether an ask would find work, for those that are held until there is some.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 '1' = expired leases may be reclaimed  4… request ids
-- Returns {'work', revision, reason, assignments that can be handed out, expired leases that may give more, last error
--         or '', {places of the request ids that were answered before, from 0}}, {'over', revision} when nothing is
--         handed out any more, {'missing'} or {'stale'}
--- @include "call"
--- @include "experiment"
--- @include "requests"
--- @include "suggestions"
--- @include "budget"
local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local progress, plan, known = search.progress, search.plan, {}
for i = 4, #ARGV do
  local field = field_of(ARGV[i])
  if redis.call('HGET', KEYS[10], field) or redis.call('HGET', KEYS[11], field) then known[#known + 1] = i - 4 end
end
if is_over(search) then return { 'over', progress.revision } end
if progress.state == ExperimentState.paused then
  local failing = progress.failing and redis.call('HGET', META, 'failing') or ''
  local reason = progress.failing and Reason.failing or Reason.experiment_paused
  return { 'work', progress.revision, reason, 0, 0, failing, known }
end

local meta = redis.call('HMGET', META, 'ladder', 'counts')
search.ladder, search.counts = cmsgpack.unpack(meta[1]), cmsgpack.unpack(meta[2])
local work = redis.call('LLEN', REQUEUED) + redis.call('ZCARD', PROMOTABLE) + #(search.counts.clones or {})
for index in ipairs(search.ladder.trials) do work = work + math.max(trials_left(search, index - 1), 0) end
local expired = 0
if ARGV[3] == '1' then
  expired = #redis.call('ZRANGEBYSCORE', LEASES, '-inf', search.now_ms, 'LIMIT', 0, 16) -- an ask takes back as many
end
local reason = Reason.waiting_for_results
if plan.cap > 0 then
  local room = plan.cap - redis.call('ZCARD', LEASES)
  if room <= 0 then reason = Reason.concurrency_limit end
  work = math.max(math.min(work, room), 0)
end
if out_of_budget(search) then work, reason = 0, Reason.budget_spent end
return { 'work', progress.revision, reason, work, expired, '', known }
