-- Learning curves and best metrics.
--- @include "sort_key"
--- @include "progress"
local CHUNK = 16 * 16
local KEPT_BEST = 1000

-- A point is the length (8 bytes) and the sort key of the metric (8 bytes). The last few are kept with the trial.
local function add_point(number, trial, report)
  trial.tail, trial.points = trial.tail .. struct.pack('>I8', report.length) .. report.metric, trial.points + 1
  if #trial.tail < CHUNK then return end
  redis.call('HSET', CURVES, number .. '.' .. trial.points / 16 - 1, trial.tail)
  trial.tail = ''
end

local function best_member(number, key) return ranked(key) .. struct.pack('>I4', number) end

-- A strictly better metric replaces the trial's best; NaN never does.
local function note_best(trial, report)
  if report.key == DEAD or (trial.best_key ~= '' and report.key >= ranked(trial.best_key)) then return end
  trial.best_before, trial.best_key, trial.best_length = trial.best_before or trial.best_key, report.metric, report.length
end

-- Writes what has become of a trial's best: once for all reports of a result.
local function keep_best(number, trial)
  local before = trial.best_before
  if not before then return end
  local replaced = before ~= '' and redis.call('ZREM', BEST, best_member(number, before)) == 1
  redis.call('ZADD', BEST, 0, best_member(number, trial.best_key))
  if not replaced then redis.call('ZREMRANGEBYRANK', BEST, KEPT_BEST, -1) end
  trial.best_before = nil
end

local function take_report(x, number, trial, report)
  add_point(number, trial, report)
  note_best(trial, report)
  x.tally.trained = x.tally.trained + report.length - trial.length
  note_progress(trial, report.length)
  trial.length, trial.metric, trial.changed, x.changed = report.length, report.metric, true, true
end
