-- Trial records: read once, changed in memory, written once at the end.
local FIELDS = {
  'state', 'bracket', 'rung', 'length', 'fence', 'from', 'to', 'restarts', 'checkpoint', 'checkpoint_length', 'metric',
  'best_key', 'best_metric', 'best_length', 'points', 'entries', 'request', 'print', 'verdict', 'outcome', 'message',
  'worker', 'created', 'log', 'returns', 'parent',
}

local function unpack_trial(packed)
  local values, trial = cmsgpack.unpack(packed), {}
  for i, field in ipairs(FIELDS) do trial[field] = values[i] end
  return trial
end

-- The trial with this number, nil when there is none.
local function load_trial(x, number)
  number = tostring(number)
  if x.trials[number] == nil then
    local packed = redis.call('HGET', TRIALS, number)
    if not packed then return nil end
    x.trials[number] = unpack_trial(packed)
  end
  return x.trials[number]
end

local function set_state(x, trial, state)
  local states = x.tally.states
  if trial.state ~= '' then states[trial.state] = states[trial.state] - 1 end
  states[state] = (states[state] or 0) + 1
  trial.state, trial.changed, x.changed = state, true, true
end

local function save_trials(x)
  for number, trial in pairs(x.trials) do
    if trial.changed then
      local values = {}
      for i, field in ipairs(FIELDS) do values[i] = trial[field] end
      redis.call('HSET', TRIALS, number, cmsgpack.pack(values))
    end
  end
end
