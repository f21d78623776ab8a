-- Stopping form: at each rung it has reached a trial goes on unless too many results there are strictly better.
-- Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", with the stopping rule of section 3.
local function place_stop(x, b, k, number, trial, key)
  local better = redis.call('ZLEXCOUNT', rung_key(x, b, k), '-', '(' .. key)
  local why = place(x, b, k, number, trial, key)
  local cut = math.max(math.floor(x.sizes[b][k] / x.plan.divisor), 1)
  why[3], why[5], why[6] = better, cut, cutoff_key(x, b, k, cut)
  return why, better < cut
end

local function decide_stop(x, result, trial, report, deadline, given)
  local number, b = result.number, trial.bracket
  local why
  while rung_length(x, b, trial.rung) <= trial.length do
    local passes
    why, passes = place_stop(x, b, trial.rung, number, trial, report.key)
    if is_top(x, b, trial.rung) then
      return finish(x, number, trial, 'completed', 'stop', with_reason('completed', why))
    elseif not passes then
      return finish(x, number, trial, 'stopped', 'stop', with_reason('stopped_at_rung', why))
    end
    go_up(x, trial)
    log_decision(x, 'continue', number, with_reason('promoted', why))
  end
  if not why then return given or go_on(x, result, trial, no_rung('between_rungs', trial), deadline) end
  return go_on(x, result, trial, with_reason('promoted', why), deadline)
end
