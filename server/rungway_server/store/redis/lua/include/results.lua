-- Reads the results of a tell, and the numbers of their trials, from ARGV, and checks their lengths.
local function read_results(at, count)
  local results, numbers = {}, {}
  for i = 1, count do
    local first, result = at, { number = ARGV[at], fence = ARGV[at + 1], checkpoint = ARGV[at + 2], finished = ARGV[at + 3] == '1', reports = {} }
    at = at + 5
    for r = 1, tonumber(ARGV[first + 4]) do
      result.reports[r] = { length = tonumber(ARGV[at]), metric = ARGV[at + 1], key = ranked(ARGV[at + 1]) }
      at = at + 2
    end
    result.print = fingerprint('tell', first, at - 1)
    results[i], numbers[i] = result, result.number
  end
  return results, numbers
end

-- Index of the first report whose length does not grow or lies beyond the assignment, and the length it should have exceeded.
local function first_wrong_length(trial, reports)
  local before = trial.length
  for r, report in ipairs(reports) do
    local length = report.length
    if length <= before or length > trial.to then return r, before end
    before = length
  end
end

-- Whether a result may change more than its own trial: it reaches a rung or perhaps a target, the training or the search is over, or
-- much was trained (see trained.lua).
local function may_decide(x, trial, result)
  local reports = result.reports
  return result.finished or reports[#reports].length >= trial.next or x.plan.target ~= '' or is_over(x) or x.tally.trained > 1e14
end
