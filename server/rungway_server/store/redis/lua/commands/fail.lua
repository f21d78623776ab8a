#!lua
-- Ends a trial, or requeues it, as its outcome says.
-- Promise: a dead trial ranks after every real result and blocks nothing; an invalid one leaves no trace in any rung.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 trial  5 fencing token  6 outcome  7 message
-- Returns {'told', revision, reply}, {'unknown_trial', number}, {'missing'}, {'stale'} or {'reused'}; with notes:
--         include/notes.lua
-- Replay the same request id gets the same reply
--- @include "call"
--- @include "experiment"
--- @include "trials"
--- @include "leases"
--- @include "events"
--- @include "requests"
--- @include "notes"
--- @include "replies"
--- @include "clones"
--- @include "results"
--- @include "points"
--- @include "reports"
--- @include "endings"
local function invalidate(search, number, trial, message)
  if trial.parent then trial.entries = {} end -- those of its parent's rungs; it has none of its own yet
  remove_results(search, number, trial)
  if trial.best_key ~= '' then redis.call('ZREM', BEST, best_member(number, trial.best_key)) end
  end_lease(search, number, trial, TrialState.invalid)
  local progress, started, index = search.progress, search.counts.started, trial.bracket + 1
  started[index] = started[index] - 1
  trial.outcome, trial.message = Outcome.invalid, message
  if search.counts.points and not trial.parent then invalidate_point(search, trial) end
  local why = no_rung(Reason.invalid, trial)
  log_decision(search, Reason.invalid, number, why)
  if progress.state == ExperimentState.running and search.counts.states.invalid >= search.plan.most_invalid then
    progress.state = ExperimentState.stopped
    log_event(search, 'too_many_invalid')
  end
  if trial.parent and not is_over(search) then add_clone(search, trial.bracket, trial.parent) end
  return make_reply(Decision.stop, why)
end

local function end_trial(search, number, trial, outcome, message)
  if outcome == Outcome.preempted or (outcome == Outcome.transient and is_over(search)) then
    return release_trial(search, number, trial)
  end
  -- What has been compared in a round that is over stays there, so a trial of a population can only be replaced before.
  local compared = search.plan.rule == PromotionRule.population and (trial.entries[trial.rung] or '') ~= ''
  if outcome == Outcome.invalid and not compared then return invalidate(search, number, trial, message) end
  if outcome == Outcome.transient then
    local lives, why = restart(search, number, trial, message)
    return make_reply(lives and Decision.pause or Decision.stop, why)
  end
  return make_reply(Decision.stop, die(search, number, trial, outcome, message))
end

local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local request, number, fencing_token, outcome, message = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local trial = load_trial(search, number)
if not trial then return { 'unknown_trial', number } end
local fingerprint, held = fingerprint_of('fail', 4, 7), holds(trial, fencing_token)
local reply, reused = answered(trial, held, request, number, fingerprint)
if reused then return { 'reused' } end
if not reply and held then
  open_ladder(search)
  reply = end_trial(search, number, trial, outcome, message)
  keep_reply(search, trial, request, number, fingerprint, reply)
  end_search_if_done(search)
  save(search)
elseif reply then
  add_note(search, 'again', 0)
end
return with_notes(search, { 'told', search.progress.revision, reply or superseded(trial) })
