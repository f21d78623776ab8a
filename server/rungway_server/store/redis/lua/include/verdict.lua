-- Verdicts on leases: { decision, to, next, deadline, reason, bracket, rung, rank, size, quota, cutoff key }.
local function verdict(decision, why, to, next_length, deadline)
  return { decision, to or 0, next_length or 0, deadline or 0, unpack(why) }
end

-- What this request was answered before for this lease: the verdict, or nil; and whether the id was used for another one.
local function answered(trial, held, id, number, print)
  if id == '' then return nil end
  if held then
    if trial.request ~= id then return nil end
    return trial.verdict, trial.print ~= print
  end
  return recall(id .. '/' .. number, print)
end

-- Keeps the verdict for a repeat: with the trial while the lease lives, among the request ids once it has ended.
local function keep_verdict(x, trial, id, number, print, answer)
  if id == '' then return end
  if trial.state == 'running' then
    trial.request, trial.print, trial.verdict = id, print, answer
  else
    remember(x, id .. '/' .. number, print, answer)
  end
end
