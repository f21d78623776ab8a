-- Decisions on leases: { decision, to, next, deadline_ms, reason, bracket, rung, rank, size, quota, cutoff key },
-- without the last five where no rung took part. A repeated request gets the decision of the first: a trial keeps it
-- while the lease lives; once the lease has ended, it is among the answers by request id.
-- Gives  make_decision, answered, keep_decision, superseded, go_on, finish
--- @include "events"
--- @include "leases"
local function make_decision(decision, why, to, next_length, deadline_ms)
  return { decision, to or 0, next_length or 0, deadline_ms or 0, unpack(why) }
end

-- The decision that the trial keeps. Of the most frequent one that is the deadline alone: the rest is in its record.
local function kept_by_trial(trial)
  if type(trial.verdict) ~= 'number' then return trial.verdict end
  return make_decision(Decision.continue, no_rung(Reason.between_rungs, trial), trial.to, trial.next, trial.verdict)
end

-- Answers by request id are for leases that have ended. Made when called: a report between rungs has its lease still.
local function recall_decision(id, number, fingerprint)
--- @include "layout"
--- @include "requests"
  local kept, reused = recall(id .. '/' .. number, fingerprint)
  return kept and make_decision(word_of(kept[1]), { word_of(kept[2]), unpack(kept, 3) }), reused
end

local function remember_decision(search, id, number, fingerprint, decision)
--- @include "layout"
--- @include "events"
--- @include "requests"
  remember(search, id .. '/' .. number, fingerprint, { code_of(decision[1]), stored_why(decision, 5) })
end

-- What this request was answered before for this lease: the decision, or nil; and whether the id was used for another
-- one.
local function answered(trial, held, id, number, fingerprint)
  if id == '' then return nil end
  if not held then return recall_decision(id, number, fingerprint) end
  if trial.request ~= id then return nil end
  return kept_by_trial(trial), trial.print ~= fingerprint
end

local function keep_decision(search, trial, id, number, fingerprint, decision)
  if id == '' then return end
  if trial.state ~= TrialState.running then return remember_decision(search, id, number, fingerprint, decision) end
  local kept = decision[5] == Reason.between_rungs and decision[4] or decision
  trial.request, trial.print, trial.verdict = id, fingerprint, kept
end

local function superseded(trial) return make_decision(Decision.superseded, no_rung(Reason.lease_lost, trial)) end

-- The worker goes on.
local function go_on(trial, why, deadline_ms)
  return make_decision(Decision.continue, why, trial.to, trial.next, deadline_ms)
end

-- The lease ends.
local function finish(search, number, trial, state, decision, why)
  end_lease(search, number, trial, state)
  trial.returns = 0
  log_decision(search, decision, number, why)
  return make_decision(decision, why)
end
