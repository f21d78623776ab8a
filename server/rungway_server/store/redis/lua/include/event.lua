-- The event log: one entry per decision, so that "why?" has an answer afterwards. A trial remembers its own entries.
-- Its oldest entries go when there are too many.
--- @include "words"
--- @include "life"
local function append(x, entry)
  return redis.call('XADD', EVENTS, 'MAXLEN', '~', x.plan.most_events or 1000000, '*', 'e', cmsgpack.pack(entry))
end

-- why: { reason, bracket, rung, rank, size, quota, cutoff key }, without the last five where no rung took part
local function log_decision(x, kind, number, why)
  local trial = x.trials[number]
  local entry = { code_of(kind), tonumber(number), trial.length, trial.metric, trial.worker, stored_why(why, 1) }
  local id = append(x, entry)
  local ms, count = id:match('(%d+)-(%d+)')
  note_line(trial, ms, tonumber(count))
  trial.changed, x.changed = true, true
end

-- What is not about a trial, with a text where there is one.
local function log_event(x, kind, message)
  append(x, { kind, message })
  x.changed = true
end
