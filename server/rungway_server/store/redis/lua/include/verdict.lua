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

-- The verdict that was remembered of a lease that has ended.
local function last_verdict(kept)
  return verdict(word_of(kept[1]), { word_of(kept[2]), unpack(kept, 3) })
end

-- What this request was answered before for this lease: the verdict, or nil; and whether the id was used for another one.
local function answered(trial, held, id, number, print)
  if id == '' then return nil end
  if held then
    if trial.request ~= id then return nil end
    return kept_verdict(trial), trial.print ~= print
  end
  local kept, reused = recall(id .. '/' .. number, print)
  return kept and last_verdict(kept), reused
end

-- Keeps the verdict for a repeat: with the trial while the lease lives, among the request ids once it has ended.
local function keep_verdict(x, trial, id, number, print, answer)
  if id == '' then return end
  if trial.state == 'running' then
    trial.request, trial.print, trial.verdict = id, print, answer[5] == 'between_rungs' and answer[4] or answer
  else
    remember(x, id .. '/' .. number, print, { code_of(answer[1]), stored_why(answer, 5) })
  end
end
