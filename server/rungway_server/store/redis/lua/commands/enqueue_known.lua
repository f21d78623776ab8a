#!lua
-- Adds a trial of elsewhere with its result at one length. It is as a trial whose training ended by itself there: its
-- result counts in the rung of that length and, where it is promoted, without any training in those above.
-- Promise: it is one of max_trials and is never handed out; nothing counts as trained; every enqueued configuration
-- keeps a new trial to use it; no point of a finite space before all others were used.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 configuration  5 length, that of a rung
--        6 sort key of the metric (8 bytes, not NaN)
-- Returns {'added', trial number}, {'full'} (of the brackets with such a rung), {'used', how often or that it is
--         invalid, points left}, {'refused', state}, {'missing'}, {'stale'} or {'reused'}
-- Replay the same request id gets the same answer
--- @include "sort_keys"
--- @include "experiment"
--- @include "requests"
--- @include "trials"
--- @include "events"
--- @include "rungs"
--- @include "results"
--- @include "stopping"
--- @include "reports"
--- @include "points"
--- @include "suggestions"
--- @include "endings"
-- The first bracket that may start a trial and has a rung of this length, and that rung; nil when there is none.
local function find_rung(search, length)
  for index, rungs in ipairs(search.ladder.rungs) do
    for rung = 0, trials_left(search, index - 1) > 0 and rungs - 1 or -1 do
      if rung_length(search, index - 1, rung) == length then return index - 1, rung end
    end
  end
end

local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local request, config, fingerprint = ARGV[3], ARGV[4], fingerprint_of('enqueue', 4, 6)
local known, reused = recall(request, fingerprint)
if reused then return { 'reused' } end
if known then return known end
open_ladder(search)
local progress, report = search.progress, { length = tonumber(ARGV[5]), metric = ARGV[6], key = ranked(ARGV[6]) }
if is_over(search) then return { 'refused', progress.state } end
local bracket, rung = find_rung(search, report.length)
if not bracket or startable(search) <= search.enqueued then return { 'full' } end
if search.counts.points then
  local free, uses = use_point(search, config)
  if not free then return { 'used', uses, search.counts.points.left } end
end

local number, trial = add_trial(search, bracket, config)
if search.ladder.sources or search.ladder.entries then trial.origin = 32 * Source.elsewhere end
if not search.counts.points then progress.proposed = math.max(progress.proposed, progress.next_trial) end
trial.fencing_token = math.max(progress.next_fence, search.now_us)
progress.next_fence = trial.fencing_token + 1
trial.rung = rung
for k = 1, rung do trial.entries[k] = '' end
local trained = progress.trained
add_report(search, number, trial, report)
progress.trained = trained -- by nobody here
keep_best(number, trial)
set_state(search, trial, TrialState.completed)
mark_finished(search, trial)

local stops = search.plan.form == DecisionForm.stop
local add = stops and add_result_stopping or add_result
local numbers, in_top = add(search, bracket, rung, number, trial, report.key)
log_decision(search, Reason.finished, number, with_reason(Reason.finished, numbers))
if in_top and not stops then promote_ended(search, number, trial) end
if search.plan.target ~= '' and report.key <= search.plan.target then
  progress.state, progress.target_reached = ExperimentState.done, true
  log_event(search, ExperimentState.done)
end
end_search_if_done(search)
local answer = { 'added', tonumber(number) }
remember(search, request, fingerprint, answer)
save(search)
return answer
