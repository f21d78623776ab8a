-- Reads the results of a tell from ARGV, and checks their lengths.
local function read_results(at, count)
  local results = {}
  for _ = 1, count do
    local result = { number = ARGV[at], fence = ARGV[at + 1], checkpoint = ARGV[at + 2], reports = {} }
    local reports = tonumber(ARGV[at + 3])
    local first = at
    at = at + 4
    for r = 1, reports do
      result.reports[r] = { length = ARGV[at], metric = ARGV[at + 1], key = ARGV[at + 2] }
      at = at + 3
    end
    result.print = fingerprint('tell', first, at - 1)
    results[#results + 1] = result
  end
  return results
end

-- Index of the first report whose length does not grow or lies beyond the assignment, and the length it should have exceeded.
local function first_wrong_length(trial, reports)
  local before = trial.length
  for r, report in ipairs(reports) do
    local length = tonumber(report.length)
    if length <= before or length > trial.to then return r, before end
    before = length
  end
end
