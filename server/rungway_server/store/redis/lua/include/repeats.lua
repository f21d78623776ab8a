-- Verdicts for repeats of a call.
-- Answers by request id, which are for leases that have ended: made when there is one, which between rungs there is not.
local function answers()
--- @include "remember"
  return recall, remember
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
  local recall = answers()
  local kept, reused = recall(id .. '/' .. number, print)
  return kept and last_verdict(kept), reused
end

-- Keeps the verdict for a repeat: with the trial while the lease lives, among the request ids once it has ended.
local function keep_verdict(x, trial, id, number, print, answer)
  if id == '' then return end
  if trial.state == 'running' then
    trial.request, trial.print, trial.verdict = id, print, answer[5] == 'between_rungs' and answer[4] or answer
  else
    local _, remember = answers()
    remember(x, id .. '/' .. number, print, { code_of(answer[1]), stored_why(answer, 5) })
  end
end
