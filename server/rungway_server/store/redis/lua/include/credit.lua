-- Credit for the best results of a rung, kept until the rung has other ones: most results come to lower rungs. A rung
-- gains results, and loses those of invalid trials: where its size and the number of these stay, so do its results.
-- `whose`: of entries, or of sources. It is a cache: exports leave it out.
-- Gives  known_credit, keep_credit

local function invalid_trials(search) return search.counts.states[TrialState.invalid] or 0 end

local function known_credit(search, whose, rung, size)
  local kept = search.counts.kept and search.counts.kept[whose]
  return kept and kept[1] == rung and kept[2] == size and kept[3] == invalid_trials(search) and kept[4] or nil
end

local function keep_credit(search, whose, rung, size, credit)
  local counts = search.counts
  counts.kept = counts.kept or {}
  counts.kept[whose] = { rung, size, invalid_trials(search), credit }
  return credit
end
