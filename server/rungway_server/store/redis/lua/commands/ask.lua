#!lua
-- Hands out work.
-- Promise: never more than max_trials valid trials, never more leases than the cap, no trial twice; nothing waits that
-- could be handed out.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 count  5 worker  6 '1' = expired leases may be reclaimed
--        7 number of the first suggestion below  8 configurations of clones by number (packed) or ''
--        9 '1' = models have nothing to propose now  10… suggestions
-- Returns {'assigned', revision, next suggestion to be used, suggestions stored, {assignment}…},
--         {'wait', revision, reason, retry_ms, last error or ''}, {'done', revision, reason},
--         {'suggest', first, how many}, {'clone', {number, config of its parent}…} (both ask to be called again with
--         what they name), {'propose', revision, results, {lane}…} (include/missing.lua; the same
--         when models have filled the stock),
--         {'missing'}, {'stale'} or {'reused'}; with notes: include/notes.lua
--         assignment: trial, fencing token, config, from, to, next decision, checkpoint, bracket, rung, restarts,
--         deadline_ms, code of the reason, bracket, and where a rung took part: rung, rank, size, quota, cutoff key,
--         parent (of a clone); at the end of a new trial's, the list of new_from_source (include/new_from_source.lua)
-- Replay the same request id gets the same assignments; WAIT and DONE are found anew
--- @include "call"
--- @include "experiment"
--- @include "requests"
--- @include "notes"
--- @include "clones"
--- @include "suggestions"
--- @include "missing"
--- @include "endings"
--- @include "next_work"
-- A trial whose lease has expired is requeued or dies. Made when called: in most asks no lease has expired.
local function restart_expired(search, numbers)
--- @apart
--- @include "trials"
--- @include "endings"
  for _, number in ipairs(numbers) do
    local lives = restart(search, number, load_trial(search, number), 'lease expired')
    local trial = search.trials[number]
    add_note(search, 'lapsed', number, trial.worker, lives and 1 or 0, trial.restarts)
  end
end

-- A paused experiment hands out nothing; one that paused itself says after which error.
local function paused(progress)
  if progress.failing then
    return { 'wait', progress.revision, Reason.failing, 5000, redis.call('HGET', META, 'failing') }
  end
  return { 'wait', progress.revision, Reason.experiment_paused, 5000, '' }
end

local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local request, count, worker, may_reclaim = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6] == '1'
local fingerprint = fingerprint_of('ask', 4, 5)
local known, reused = recall(request, fingerprint)
if reused then return { 'reused' } end
if known then
  add_note(search, 'again', 0)
  return with_notes(search, with_configs(search, known))
end

local progress = search.progress
if progress.state == ExperimentState.done then return { 'done', progress.revision, Reason.search_done } end
if progress.state == ExperimentState.stopped then return { 'done', progress.revision, Reason.experiment_stopped } end
if progress.state == ExperimentState.paused then return paused(progress) end

open_ladder(search)
store_suggestions(search, tonumber(ARGV[7]), 10)
local new = math.min(count, startable(search))
local lacking = lacking_suggestions(search, new)
if lacking > 0 then
  save(search)
  return { 'suggest', progress.proposed, lacking }
end
local sources, promotable = search.ladder.sources, search.promotable
if sources and sources.bounded then promotable = 0 end -- perhaps all of them are at rungs that are full
new = math.min(new, count - search.requeued - promotable) - search.enqueued
local missing = sources and new > 0 and ARGV[9] == '' and proposals_missing(search, new)
if missing then
  save(search)
  return { 'propose', unpack(missing) }
end
store_clone_configs(search, ARGV[8])
if may_reclaim then
  local expired = redis.call('ZRANGEBYSCORE', LEASES, '-inf', search.now_ms, 'LIMIT', 0, 16)
  if #expired > 0 then restart_expired(search, expired) end
end
if progress.state == ExperimentState.paused then
  save(search)
  return with_notes(search, paused(progress))
end
local clones = clones_without_config(search, count)
if clones then
  save(search)
  return with_notes(search, { 'clone', unpack(clones) })
end

local answer = { 'assigned', 0, 0, 0 }
local why_not = hand_out(search, answer, 4 + count, worker)
if #answer > 4 then
  local points = search.counts.points
  local following = points and points.at or progress.next_trial
  answer[2], answer[3], answer[4] = progress.revision + 1, following, progress.proposed
  remember(search, request, fingerprint, answer)
  save(search)
  return with_notes(search, with_configs(search, answer))
end
end_search_if_done(search)
save(search)
if progress.state == ExperimentState.done then
  return with_notes(search, { 'done', progress.revision, Reason.search_done })
end
local retry_ms, first = 1000, redis.call('ZRANGE', LEASES, 0, 0, 'WITHSCORES')
if search.promotable > 0 and why_not == Reason.waiting_for_results then retry_ms = 100 end -- it stopped midway
if first[2] and may_reclaim then retry_ms = math.max(100, math.min(retry_ms, first[2] - search.now_ms)) end
return with_notes(search, { 'wait', progress.revision, why_not, retry_ms, '' })
