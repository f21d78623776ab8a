#!lua
-- Hands out work.
-- Promise: never more than max_trials valid trials, never more leases than the cap, no trial twice; nothing waits that
-- could be handed out.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 count  5 worker  6 '1' = lapsed leases may be taken back
--        7 number of the first proposal below  8 configurations of clones by number (packed) or ''  9… proposals
-- Returns {'assigned', revision, next proposal to be used, proposed, {assignment}…}, {'wait', revision, reason, retry_ms, last error or ''},
--         {'done', revision, reason}, {'propose', first, how many}, {'clone', {number, config of its parent}…} (both ask to
--         be called again with what they name), {'missing'}, {'stale'} or {'reused'}
--         assignment: trial, fence, config, from, to, next decision, checkpoint, bracket, rung, restarts, deadline_ms,
--         code of the reason, bracket, and where a rung took part: rung, rank, size, quota, cutoff key, parent (of a clone)
-- Replay the same request id gets the same assignments; WAIT and DONE are found anew
--- @include "experiment"
--- @include "trial"
--- @include "no_rung"
--- @include "event"
--- @include "rung"
--- @include "ready"
--- @include "lease"
--- @include "add_trial"
-- What places results in rungs, and ends lapsed leases: made when there are any, which in most asks there are not.
local function placing()
--- @include "place"
--- @include "place_stop"
--- @include "die"
  return place, restart
end
--- @include "request"
--- @include "remember"
--- @include "settle"
--- @include "candidates"
--- @include "promote"
--- @include "new_trial"
--- @include "clone_configs"
--- @include "pick"
--- @include "assigned"
--- @include "save"
local x, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local request, count, worker = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local print = fingerprint('ask', 4, 5)
local known, reused = recall(request, print)
if reused then return { 'reused' } end
if known then return with_configs(x, known) end

local tally = x.tally
if tally.state == 'done' then return { 'done', tally.revision, 'search_done' } end
if tally.state == 'stopped' then return { 'done', tally.revision, 'experiment_stopped' } end
if tally.state == 'paused' then return paused(x) end

open_ladder(x)
take_proposals(x, tonumber(ARGV[7]), 9)
local lacking = missing(x, math.min(count, startable(x)))
if lacking > 0 then
  save(x)
  return { 'propose', tally.proposed, lacking }
end
take_clones(x, ARGV[8])
if ARGV[6] == '1' then reclaim(x, 16) end
if tally.state == 'paused' then
  save(x)
  return paused(x)
end

local wanted = clones_wanted(x, count)
if wanted then
  save(x)
  return { 'clone', unpack(wanted) }
end
local answer, why_not = { 'assigned', 0, 0, 0 }, nil
while #answer < 4 + count do
  if x.plan.cap > 0 and x.live >= x.plan.cap then
    why_not = 'concurrency_limit'
    break
  end
  local number, trial, why = pick(x)
  if not number then
    why_not = 'waiting_for_results'
    break
  end
  local deadline = grant(x, number, trial, worker)
  log_decision(x, 'assign', number, why)
  answer[#answer + 1] = {
    number, trial.fence, '', trial.from, trial.to, trial.next, trial.checkpoint, trial.bracket, trial.rung, trial.restarts, deadline,
    stored_why(why, 1),
  }
end

local retry_ms = 1000
if #answer == 4 then
  settle(x)
  local first = redis.call('ZRANGE', LEASES, 0, 0, 'WITHSCORES')
  if first[2] and ARGV[6] == '1' then retry_ms = math.max(100, math.min(retry_ms, first[2] - x.now)) end
else
  local points = x.counts.points
  answer[2], answer[3], answer[4] = tally.revision + 1, points and points.at or tally.next_trial, tally.proposed
  remember(x, request, print, answer)
end
save(x)
if #answer > 4 then return with_configs(x, answer) end
if tally.state == 'done' then return { 'done', tally.revision, 'search_done' } end
return { 'wait', tally.revision, why_not, retry_ms, '' }
