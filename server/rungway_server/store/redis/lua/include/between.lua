-- A result that reaches no rung changes its own trial and nothing else.
local function take_between(x, result, trial, deadline)
  for _, report in ipairs(result.reports) do take_report(x, result.number, trial, report) end
  keep_best(result.number, trial)
  if result.checkpoint ~= '' then note_progress(trial, trial.length, result.checkpoint) end
  return verdict('continue', no_rung('between_rungs', trial), trial.to, trial.next, deadline)
end
