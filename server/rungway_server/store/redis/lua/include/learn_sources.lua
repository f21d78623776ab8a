-- The shares of sources of configurations, learned from the best results at the top (`docs/searchers.md` has the rules
-- and the reasons). Shares are whole numbers, which together are `Size.whole_share`.
-- Gives  learn_sources
--- @include "call"
--- @include "origins"
--- @include "rungs"
--- @include "used"
--- @include "numbers"
--- @include "credit"
local FULL_TRAININGS, KEPT = 2, 0.4

-- Whether a result ranks before another one of a rung that is as long. Strings would be compared by the locale.
local function is_before(a, b)
  local a1, a2, a3 = struct.unpack('>I4I4I4', a, 3)
  local b1, b2, b3 = struct.unpack('>I4I4I4', b, 3)
  if a1 ~= b1 then return a1 < b1 end
  if a2 ~= b2 then return a2 < b2 end
  return a3 < b3
end

-- The best results of the top rungs of all brackets.
local function best_at_the_top(search, most)
  local found = {}
  for b, rungs in ipairs(search.ladder.rungs) do
    local size = math.min(search.counts.sizes[rung_index(search, b - 1, rungs - 1)], most)
    local first = before_rung(search, b - 1, rungs - 1)
    local best = size > 0 and redis.call('ZRANGE', RUNGS, first, first + size - 1) or {}
    if #search.ladder.rungs == 1 then return best end
    for _, member in ipairs(best) do found[#found + 1] = member end
  end
  table.sort(found, is_before)
  return found
end

-- The credit of each source for the best results at the top; nil when of so many fewer than two are promoted elsewhere.
local function source_credits(search)
  local results = 0
  for b, rungs in ipairs(search.ladder.rungs) do
    results = results + search.counts.sizes[rung_index(search, b - 1, rungs - 1)]
  end
  local whole = math.min(math.floor(results / search.plan.divisor), MOST_CREDIT)
  if whole < 2 then return nil end
  local rungs, count = search.ladder.rungs, #search.ladder.sources.codes
  local first = not rungs[2] and before_rung(search, 0, rungs[1] - 1)
  local known = known_credit(search, 'sources', count, 0, results, first)
  if known then return known end
  local best = best_at_the_top(search, math.min(results, LOOKED_AT))
  local function owner(origin) return source_index(search, source_of(origin)) end
  return keep_credit(search, 'sources', 0, results, best, count, whole, owner)
end

-- The shares that follow from the best results so far: each source has a rate, its credit per full training with a
-- prior of FULL_TRAININGS full ones, and is weighed by its fourth power. KEPT of each share stays as at first.
local function learn_sources(search)
  local sources = search.ladder.sources
  local first = numbers_at(sources.shares, 1, 'I2', #sources.codes)
  note_learned(search, 'sources', #first)
  local credit = source_credits(search)
  if not credit then return end
  local all, spent, weighed, weight = 0, 0, 0, {}
  local longest = rung_length(search, 0, search.ladder.rungs[1] - 1)
  local used = used_now(search, 'sources', #first)
  for s = 1, #first do all, spent = all + credit[s], spent + used[s] / longest end
  if all == 0 or spent <= 0 then return end
  for s = 1, #first do
    local prior = FULL_TRAININGS * first[s] / Size.whole_share
    local rate = (credit[s] + prior * all / spent) / (used[s] / longest + prior)
    weight[s] = rate * rate * rate * rate * first[s] / Size.whole_share
    weighed = weighed + weight[s]
  end
  local share, credited, left = {}, {}, Size.whole_share
  for s = #first, 1, -1 do
    share[s] = math.floor(Size.whole_share * (1 - KEPT) * weight[s] / weighed + KEPT * first[s] + 0.5)
    credited[s] = math.floor(Size.whole_share * credit[s] + 0.5)
    if s > 1 then left = left - share[s] end
  end
  share[1] = left -- the rest of the rounding
  keep_shares(search, 'sources', share, credited)
end
