-- Credit for the best results of a rung, of entries or of sources (`whose`). It is kept until the rung has other ones,
-- for most results come to lower rungs. A rung gains results, and loses those of invalid trials: where its size and the
-- number of these stay, so do its results. What is kept is a cache: exports leave it out.
-- Gives  LOOKED_AT, MOST_CREDIT, known_credit, keep_credit
--- @include "sort_keys"
local LOOKED_AT, MOST_CREDIT = 128, 48

local function invalid_trials(search) return search.counts.states[TrialState.invalid] or 0 end

local function known_credit(search, whose, rung, size)
  local kept = search.counts.kept and search.counts.kept[whose]
  return kept and kept[1] == rung and kept[2] == size and kept[3] == invalid_trials(search) and kept[4] or nil
end

-- The credit of each of `count`. Each of the best results (entries of a rung) has as weight the square of the share of
-- these that it beats, and together they have `whole`. `owner(entry)`: whose it is, nil for nobody's.
local function keep_credit(search, whose, rung, size, best, count, whole, owner)
  local counts, credit, weights = search.counts, {}, 0
  for s = 1, count do credit[s] = 0 end
  for rank, entry in ipairs(best) do
    local beaten = 1 - (rank - 0.5) / #best
    local weight = beaten * beaten
    local s = entry:sub(1, 8) ~= DEAD and owner(entry)
    weights = weights + weight
    if s then credit[s] = credit[s] + weight end
  end
  for s = 1, count do credit[s] = credit[s] * (whole / weights) end
  counts.kept = counts.kept or {}
  counts.kept[whose] = { rung, size, invalid_trials(search), credit }
  return credit
end
