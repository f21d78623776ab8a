-- The event log: one line of text per decision, so that "why?" has an answer afterwards. A trial remembers its own lines.
local function log_event(x, kind, number, ...)
  local trial = x.trials[number]
  local state = trial and table.concat({ trial.length, trial.metric, trial.worker }, ' ') or ''
  local id = redis.call('XADD', EVENTS, '*', 'e', table.concat({ kind, number, ... }, ' '), 's', state)
  if trial then trial.log[#trial.log + 1], trial.changed = id, true end
  x.changed = true
end

-- why: { reason, bracket, rung, rank, size, quota, cutoff key }
local function log_decision(x, kind, number, why)
  log_event(x, kind, number, unpack(why))
end

-- The explanation of what no rung took part in.
local function no_rung(reason, trial) return { reason, trial.bracket, -1, 0, 0, 0, '' } end
