-- Results inside their rung's zone whose trial waits, and what happens when one goes up.
local function ready_member(b, k, entry) return string.char(b, 255 - k) .. entry end

local function make_ready(x, b, k, entry) x.ready = x.ready + redis.call('ZADD', READY, 0, ready_member(b, k, entry)) end

local function unready(x, b, k, entry)
  if entry then x.ready = x.ready - redis.call('ZREM', READY, ready_member(b, k, entry)) end
end

local function go_up(x, trial)
  local passed, at = x.counts.passed, slot(x, trial.bracket, trial.rung)
  passed[at] = passed[at] + 1
  trial.rung, trial.next = trial.rung + 1, x.ladder.lengths[at + 1]
  trial.changed, x.changed = true, true
end
