-- The shares of entries, learned from the best results so far (`auto` in docs/searchers.md has the rules and the
-- reasons). Shares are whole numbers, which together are WHOLE.
-- Source: Streeter and Smith 2006, "A Simple Distribution-Free Approach to the Max k-Armed Bandit Problem".
-- Gives  learn_entries
--- @include "call"
--- @include "origins"
--- @include "rungs"
--- @include "used"
--- @include "numbers"
--- @include "credit"
local WHOLE, PRIOR = Size.whole_share, 2

-- In few searches results rank by fronts. Made when it is needed.
local function best_in_fronts_of(search, k, most)
--- @include "objectives"
  return best_members(search, 0, k, most)
end

-- The best results of a rung.
local function best_results(search, k, most)
  if search.ladder.objectives then return best_in_fronts_of(search, k, most) end
  local first = before_rung(search, 0, k)
  return redis.call('ZRANGE', RUNGS, first, first + most - 1)
end

-- The position of the entry of a result; nil for one of elsewhere, for which no entry had training.
local function owner_of(origin)
  local s = entry_of(origin)
  return origin - s ~= 32 * Source.elsewhere and s + 1 or nil
end

-- The credit of each entry at the highest rung with two results in its top-k, and that rung; nil when there is none.
local function entry_credits(search)
  local count, size, whole = search.ladder.rungs[1], 0, 0
  local k = count
  while whole < 2 and k > 0 do
    k = k - 1
    size = search.counts.sizes[k + 1]
    whole = math.min(math.floor(size / search.plan.divisor), MOST_CREDIT)
  end
  if whole < 2 then return nil end
  local first = not search.ladder.objectives and before_rung(search, 0, k)
  local known = known_credit(search, 'entries', count, k, size, first)
  if known then return known, k end
  local best = best_results(search, k, math.min(size, LOOKED_AT))
  return keep_credit(search, 'entries', k, size, best, count, whole, owner_of), k
end

local function rounded(x) return math.floor(x + 0.5) end

-- The shares that follow from the results so far: each entry that the rung can judge has a rate, its credit per full
-- training with a prior of PRIOR full trainings, and is weighed by the fourth power of that. A tenth stays as at first.
local function learn_entries(search)
  local counts, first = search.counts, numbers_at(search.ladder.entries, 1, 'I2', search.ladder.rungs[1])
  note_learned(search, 'entries', #first)
  local credit, k = entry_credits(search)
  if not credit then return end
  local longest, all, spent, judged, weights, weight = rung_length(search, 0, #first - 1), 0, 0, 0, 0, {}
  local used = used_now(search, 'entries', #first)
  for s = 1, k + 1 do
    all, spent, judged = all + credit[s], spent + used[s] / longest, judged + first[s] / WHOLE
  end
  if all == 0 or spent <= 0 then return end
  for s = 1, k + 1 do
    local prior = PRIOR * first[s] / WHOLE
    local rate = (credit[s] + prior * all / spent) / (used[s] / longest + prior)
    weight[s] = rate * rate * rate * rate * math.sqrt(first[s] / WHOLE)
    weights = weights + weight[s]
  end
  local shares, credited, left = {}, {}, WHOLE
  for s = #first, 1, -1 do
    local share = s > k + 1 and first[s] / WHOLE or judged * weight[s] / weights
    shares[s], credited[s] = rounded(WHOLE * 0.9 * share + 0.1 * first[s]), rounded(WHOLE * credit[s])
    if s > 1 then left = left - shares[s] end
  end
  shares[1] = left -- the rest of the rounding
  keep_shares(search, 'entries', shares, credited)
end
