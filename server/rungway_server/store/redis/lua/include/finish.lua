-- The ends of a decision: the worker goes on, or its lease ends.
local function go_on(trial, why, deadline) return verdict('continue', why, trial.to, trial.next, deadline) end

local function finish(x, number, trial, state, decision, why)
  end_lease(x, number, trial, state)
  trial.returns = 0
  log_decision(x, decision, number, why)
  return verdict(decision, why)
end

local function with_reason(reason, why) return { reason, unpack(why) } end
