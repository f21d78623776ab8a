-- Reports of a tell: read from ARGV, checked, and added to the learning curve, the best metrics and the length trained
-- in all.
-- Gives  MANY, read_results, first_wrong_length, best_member, keep_best, keep_told_checkpoint, add_report,
--        carry_trained
--- @include "call"
--- @include "experiment"
--- @include "sort_keys"
--- @include "trials"
--- @include "requests"
-- The results that begin at ARGV[at], the numbers of their trials, and what follows in ARGV.
local function read_results(at, count)
  local results, numbers = {}, {}
  for i = 1, count do
    local first, result = at, { number = ARGV[at], fencing_token = ARGV[at + 1], checkpoint = ARGV[at + 2] }
    result.finished, result.reports = ARGV[at + 3] == '1', {}
    at = at + 5
    for j = 1, tonumber(ARGV[first + 4]) do
      result.reports[j] = { length = tonumber(ARGV[at]), metric = ARGV[at + 1], key = ranked(ARGV[at + 1]) }
      at = at + 2
    end
    result.fingerprint = fingerprint_of('tell', first, at - 1)
    results[i], numbers[i] = result, result.number
  end
  return results, numbers, at
end

-- Index of the first report whose length does not grow or lies beyond the assignment, and the length it should have
-- exceeded.
local function first_wrong_length(trial, reports)
  local before = trial.length
  for i, report in ipairs(reports) do
    local length = report.length
    if length <= before or length > trial.to_length then return i, before end
    before = length
  end
end

-- A point is the length (8 bytes) and the sort key of the metric (8 bytes). The last few are kept with the trial.
local function add_point(number, trial, report)
  trial.tail, trial.points = trial.tail .. struct.pack('>I8', report.length) .. report.metric, trial.points + 1
  if #trial.tail < Size.curve_piece_bytes then return end
  redis.call('HSET', CURVES, number .. '.' .. trial.points / Size.curve_piece - 1, trial.tail)
  trial.tail = ''
end

local function best_member(number, key) return ranked(key) .. struct.pack('>I4', number) end

-- Made when called: few records have a best checkpoint of their own.
local function drop_best_checkpoint(search, number, trial)
--- @apart
--- @include "checkpoints"
  replace_best(search, number, trial)
end

-- A strictly better metric replaces the trial's best; NaN never does, nor one that violates constraints.
local function note_best(search, number, trial, report)
  if report.key == DEAD or report.unfit then return end
  if trial.best_key ~= '' and report.key >= ranked(trial.best_key) then return end
  trial.best_before = trial.best_before or trial.best_key
  trial.best_key, trial.best_length = report.metric, report.length
  if trial.best_checkpoint then drop_best_checkpoint(search, number, trial) end
end

-- Writes the trial's best metric where it has changed: once for all reports of a result.
local function keep_best(number, trial)
  local before = trial.best_before
  if not before then return end
  local replaced = before ~= '' and redis.call('ZREM', BEST, best_member(number, before)) == 1
  redis.call('ZADD', BEST, 0, best_member(number, trial.best_key))
  if not replaced then redis.call('ZREMRANGEBYRANK', BEST, Size.most_best, -1) end
  trial.best_before = nil
end

-- Keeps the checkpoint of a result, as that of the length told last. Made when called: most results have none.
local function keep_told_checkpoint(search, result, trial)
--- @include "checkpoints"
  keep_checkpoint(search, result.number, trial, trial.length, result.checkpoint)
end

local function add_report(search, number, trial, report)
  add_point(number, trial, report)
  if report.further then search.add_further(number, trial.points - 1, report.further) end
  if report.objectives then trial.objectives = report.objectives end
  note_best(search, number, trial, report)
  search.progress.trained = search.progress.trained + report.length - trial.length
  note_progress(trial, report.length)
  trial.length, trial.metric, trial.changed, search.changed = report.length, report.metric, true, true
end

-- The length trained in all is `trained` and so many times MANY. Doubles are exact to 2^53, which no single tell gets
-- near from here: what one adds beyond MANY is carried by the next.
local MANY = 1e14

local function carry_trained(search)
  local progress, times = search.progress, math.ceil(search.progress.trained / MANY) - 1
  progress.trained, progress.trained_many = progress.trained - times * MANY, (progress.trained_many or 0) + times
  need_layout(search, 6)
end
