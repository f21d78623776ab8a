-- Replies to those who tell, fail or release: { decision, to_length, next_length, deadline_ms, reason, bracket, rung,
-- rank, size, quota, cutoff key }, without the last five where no rung took part. A repeated request gets the reply of
-- the first: a trial keeps it while the lease lives; once the lease has ended, it is among the answers by request id.
-- Gives  make_reply, answered, keep_reply, superseded, go_on, finish
--- @include "events"
--- @include "leases"
local function make_reply(decision, why, to_length, next_length, deadline_ms)
  return { decision, to_length or 0, next_length or 0, deadline_ms or 0, unpack(why) }
end

-- The reply that the trial keeps. Of the most frequent one that is the deadline alone: the rest is in its record.
local function kept_by_trial(trial)
  if type(trial.reply) ~= 'number' then return trial.reply end
  local why = no_rung(Reason.between_rungs, trial)
  return make_reply(Decision.continue, why, trial.to_length, trial.next_length, trial.reply)
end

-- Answers by request id are for leases that have ended. Made when called: a report between rungs has its lease still.
local function recall_reply(id, number, fingerprint)
--- @include "layout"
--- @include "requests"
  local kept, reused = recall(id .. '/' .. number, fingerprint)
  return kept and make_reply(word_of(kept[1]), { word_of(kept[2]), unpack(kept, 3) }), reused
end

local function remember_reply(search, id, number, fingerprint, reply)
--- @include "layout"
--- @include "events"
--- @include "requests"
  remember(search, id .. '/' .. number, fingerprint, { code_of(reply[1]), stored_why(reply, 5) })
end

-- What this request was answered before for this lease: the reply, or nil; and whether the id was used for another
-- one.
local function answered(trial, held, id, number, fingerprint)
  if id == '' then return nil end
  if not held then return recall_reply(id, number, fingerprint) end
  if trial.request ~= id then return nil end
  return kept_by_trial(trial), trial.fingerprint ~= fingerprint
end

local function keep_reply(search, trial, id, number, fingerprint, reply)
  if id == '' then return end
  if trial.state ~= TrialState.running then return remember_reply(search, id, number, fingerprint, reply) end
  local kept = reply[5] == Reason.between_rungs and reply[4] or reply
  trial.request, trial.fingerprint, trial.reply = id, fingerprint, kept
end

local function superseded(trial) return make_reply(Decision.superseded, no_rung(Reason.lease_lost, trial)) end

-- The worker goes on.
local function go_on(trial, why, deadline_ms)
  return make_reply(Decision.continue, why, trial.to_length, trial.next_length, deadline_ms)
end

-- The lease ends.
local function finish(search, number, trial, state, decision, why)
  end_lease(search, number, trial, state)
  trial.returns = 0
  log_decision(search, decision, number, why)
  return make_reply(decision, why)
end
