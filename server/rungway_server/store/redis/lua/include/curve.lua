-- Learning curves and best metrics.
local CHUNK = 32
local KEPT_BEST = 1000

local function add_point(number, trial, length, metric)
  local field = number .. '.' .. math.floor(trial.points / CHUNK)
  local points = redis.call('HGET', CURVES, field) or ''
  redis.call('HSET', CURVES, field, points .. length .. ' ' .. metric .. ';')
  trial.points = trial.points + 1
end

local function best_member(number, trial) return trial.best_key .. string.format('%010d', number) end

-- A strictly better metric replaces the trial's best; NaN never does.
local function note_best(number, trial, report)
  if report.key == DEAD or (trial.best_key ~= '' and report.key >= trial.best_key) then return end
  if trial.best_key ~= '' then redis.call('ZREM', BEST, best_member(number, trial)) end
  trial.best_key, trial.best_metric, trial.best_length = report.key, report.metric, report.length
  redis.call('ZADD', BEST, 0, best_member(number, trial))
  redis.call('ZREMRANGEBYRANK', BEST, KEPT_BEST, -1)
end

local function take_report(x, number, trial, report)
  add_point(number, trial, report.length, report.metric)
  note_best(number, trial, report)
  x.tally.trained = x.tally.trained + tonumber(report.length) - trial.length
  trial.length, trial.metric, trial.changed, x.changed = tonumber(report.length), report.metric, true, true
end
