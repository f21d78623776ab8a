-- The event log: one entry per decision, so that "why?" has an answer afterwards. A trial remembers its own entries.
-- why: { reason, bracket, rung, rank, size, quota, cutoff key }
local function log_decision(x, kind, number, why)
  local trial = x.trials[number]
  local entry = { kind, tonumber(number), trial.length, trial.metric, trial.worker, unpack(why) }
  local id = redis.call('XADD', EVENTS, '*', 'e', cmsgpack.pack(entry))
  local ms, count = id:match('(%d+)-(%d+)')
  trial.log[#trial.log + 1], trial.log[#trial.log + 2] = ms - trial.created, tonumber(count)
  trial.changed, x.changed = true, true
end

-- What is not about a trial.
local function log_event(x, kind)
  redis.call('XADD', EVENTS, '*', 'e', cmsgpack.pack({ kind }))
  x.changed = true
end

-- The explanation of what no rung took part in.
local function no_rung(reason, trial) return { reason, trial.bracket, -1, 0, 0, 0, '' } end
