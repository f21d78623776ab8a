-- Trials: read once, changed in memory, written once at the end (include/save.lua).
--- @include "record"
-- Reads the trials with these numbers, as many as there are.
local function load_trials(x, numbers)
  for i, packed in ipairs(redis.call('HMGET', TRIALS, unpack(numbers))) do
    if packed then x.trials[numbers[i]] = unpack_trial(packed) end
  end
end

-- The trial with this number, nil when there is none.
local function load_trial(x, number)
  if not x.trials[number] then load_trials(x, { number }) end
  return x.trials[number]
end

local function set_state(x, trial, state)
  local states = x.counts.states
  if trial.state ~= '' then states[trial.state] = states[trial.state] - 1 end
  states[state] = (states[state] or 0) + 1
  trial.state, trial.changed, x.changed = state, true, true
end
