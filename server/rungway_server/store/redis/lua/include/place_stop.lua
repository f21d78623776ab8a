-- Puts a result into a rung in the stopping form: it goes on if fewer results than the cut are strictly better.
-- Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", with the stopping rule of section 3.
local function place_stop(x, b, k, number, trial, key)
  local better = rank_of(x, b, k, rung_prefix(b, k) .. key)
  local why = place(x, b, k, number, trial, key)
  local cut = math.max(math.floor(x.counts.sizes[slot(x, b, k)] / x.plan.divisor), 1)
  why[3], why[5], why[6] = better, cut, cutoff_key(x, b, k, cut)
  return why, better < cut
end
