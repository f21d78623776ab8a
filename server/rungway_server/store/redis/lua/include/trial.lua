-- Trial records: read once, changed in memory, written once at the end (include/save.lua).
local function unpack_trial(packed)
  local v = cmsgpack.unpack(packed)
  return {
    state = v[1], bracket = v[2], rung = v[3], length = v[4], next = v[5], to = v[6], fence = v[7], metric = v[8], best_key = v[9],
    best_length = v[10], points = v[11], tail = v[12], request = v[13], print = v[14], verdict = v[15], checkpoint = v[16],
    checkpoint_length = v[17], from = v[18], restarts = v[19], created = v[20], worker = v[21], entries = v[22], log = v[23],
    outcome = v[24], message = v[25], parent = v[26], returns = v[27],
  }
end

local function pack_trial(t)
  return cmsgpack.pack({
    t.state, t.bracket, t.rung, t.length, t.next, t.to, t.fence, t.metric, t.best_key, t.best_length, t.points, t.tail, t.request,
    t.print, t.verdict, t.checkpoint, t.checkpoint_length, t.from, t.restarts, t.created, t.worker, t.entries, t.log, t.outcome,
    t.message, t.parent, t.returns,
  })
end

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
