-- The event log: one line of text per decision, so that "why?" has an answer afterwards.
local function log_event(x, kind, number, ...)
  redis.call('XADD', EVENTS, '*', 'e', table.concat({ kind, number, ... }, ' '))
  x.changed = true
end

-- why: { reason, bracket, rung, rank, size, quota, cutoff key }
local function log_decision(x, kind, number, why)
  log_event(x, kind, number, unpack(why))
end
