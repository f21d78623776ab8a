-- Results in rungs that stop trials.
-- Gives  add_result_stopping
--- @include "rungs"
--- @include "results"
-- Adds a result in the stopping form. Returns the numbers, and whether the trial goes on: fewer results than the cut
-- are strictly better.
-- Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", with the stopping rule of section 3.
local function add_result_stopping(search, bracket, rung, number, trial, key)
  local better = rank_of(search, bracket, rung, rung_prefix(bracket, rung) .. key)
  local numbers = add_result(search, bracket, rung, number, trial, key)
  local size = search.counts.sizes[rung_index(search, bracket, rung)]
  local cut = math.max(math.floor(size / search.plan.divisor), 1)
  numbers[3], numbers[5], numbers[6] = better, cut, cutoff_key(search, bracket, rung, cut)
  return numbers, better < cut
end
