-- Verdicts on leases: { decision, to, next, deadline, reason, bracket, rung, rank, size, quota, cutoff key }, without the last five
-- where no rung took part.
--- @include "words"
local function verdict(decision, why, to, next_length, deadline)
  return { decision, to or 0, next_length or 0, deadline or 0, unpack(why) }
end

-- Of the most frequent verdict a trial keeps the deadline alone: the rest is in its record.
local function kept_verdict(trial)
  if type(trial.verdict) ~= 'number' then return trial.verdict end
  return verdict('continue', no_rung('between_rungs', trial), trial.to, trial.next, trial.verdict)
end

--- @include "repeats"
