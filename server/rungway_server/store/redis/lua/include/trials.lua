-- Trials: read once, changed in memory, and written once at the end (`save` in experiment.lua).
-- Gives  unpack_trial, pack_trial, load_trials, load_trial, set_state, add_trial, note_progress
--- @include "call"
--- @include "layout"
-- A stored record has the last metric only where its point is no longer in the tail, and the best metric and its length
-- only where they are not the last ones; the best checkpoint: checkpoints.lua.
local function unpack_trial(packed)
  local trial = trial_of(cmsgpack.unpack(packed))
  trial.state = state_of(trial.state)
  trial.before = trial.state
  if trial.metric == '' then trial.metric = trial.tail:sub(-8) end
  trial.best_key, trial.best_length = trial.best_key or trial.metric, trial.best_length or trial.length
  trial.reached = trial.reached or math.max(trial.length, trial.checkpoint_length) -- layout 5 has none
  return trial
end

local function pack_trial(trial)
  local metric, best_key = trial.tail == '' and trial.metric or '', trial.best_key ~= trial.metric and trial.best_key
  local best_length = trial.best_length ~= trial.length and trial.best_length
  -- In a record that has a later field, false stands for those that it lacks.
  local best = trial.best_checkpoint or (trial.objectives and false)
  local origin = trial.origin or nil
  if best ~= nil and not origin then origin = false end
  return cmsgpack.pack(fields_of(trial, trial.state:sub(1, 1), metric, best_key, best_length, origin, best))
end

-- Reads the trials with these numbers, as many as there are.
local function load_trials(search, numbers)
  for i, packed in ipairs(redis.call('HMGET', TRIALS, unpack(numbers))) do
    if packed then search.trials[numbers[i]] = unpack_trial(packed) end
  end
end

-- The trial with this number, nil when there is none.
local function load_trial(search, number)
  if not search.trials[number] then load_trials(search, { number }) end
  return search.trials[number]
end

local function set_state(search, trial, state)
  local states = search.counts.states
  if trial.state ~= '' then states[trial.state] = states[trial.state] - 1 end
  states[state] = (states[state] or 0) + 1
  trial.state, trial.changed, search.changed = state, true, true
end

-- Adds a trial that has done nothing yet, under the next number. It uses up the suggestion for that number, and so does
-- a trial that brings its own configuration; where points are counted, suggestions are not by number.
local function add_trial(search, bracket, config)
  local progress, started = search.progress, search.counts.started
  local number = tostring(progress.next_trial)
  search.trials[number] = {
    state = '', bracket = bracket, rung = 0, length = 0, next_length = 0, to_length = 0, fencing_token = 0, metric = '',
    best_key = '', best_length = 0, points = 0, tail = '', request = '', fingerprint = '', reply = '', checkpoint = '',
    checkpoint_length = 0, from_length = 0, restarts = 0, created = search.now_ms, worker = '', entries = {}, log = {},
    outcome = '', message = '', returns = 0, parent = false, reached = 0,
    config = config or redis.call('HGET', CONFIGS, number),
  }
  if not search.counts.points then redis.call('HDEL', CONFIGS, number) end
  progress.next_trial, started[bracket + 1] = progress.next_trial + 1, started[bracket + 1] + 1
  return number, search.trials[number]
end

-- A trial makes progress with a checkpoint longer than any before or, while it has none, with a report longer than any
-- before. Restarts and leases without progress are counted from there. `checkpoint` is nil for a report.
local function note_progress(trial, length, checkpoint)
  local first, further = trial.checkpoint == '', length > trial.reached
  if (first and checkpoint) or (further and (first or checkpoint)) then
    trial.reached, trial.restarts, trial.returns = length, 0, 0
  end
  if checkpoint then trial.checkpoint, trial.checkpoint_length = checkpoint, length end
end
