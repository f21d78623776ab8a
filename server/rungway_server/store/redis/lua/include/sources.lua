-- Sources of configurations (`ladder.sources`): the sampler, models, another program. Each has a share of the new
-- trials or, where shares are learned, of the training. `docs/searchers.md` has the rules and the reasons.
-- Gives  can_propose, choose_source
--- @include "call"
--- @include "origins"
--- @include "rungs"
--- @include "used"
--- @include "credit"
local WHOLE, FULL_TRAININGS, KEPT = 4096, 2, 0.4

-- Whether an entry ranks before another one of a rung that is as long. Strings would be compared by the locale.
local function is_before(a, b)
  local a1, a2, a3 = struct.unpack('>I4I4I4', a)
  local b1, b2, b3 = struct.unpack('>I4I4I4', b)
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
    for _, member in ipairs(size > 0 and redis.call('ZRANGE', RUNGS, first, first + size - 1) or {}) do
      found[#found + 1] = member:sub(3)
    end
  end
  if #search.ladder.rungs > 1 then table.sort(found, is_before) end
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
  local known = known_credit(search, 'sources', 0, results)
  if known then return known end
  local best, count = best_at_the_top(search, math.min(results, LOOKED_AT)), #search.ladder.sources.shares
  local function owner(entry) return source_index(search, source_in(entry)) end
  return keep_credit(search, 'sources', 0, results, best, count, whole, owner)
end

-- The shares that follow from the best results so far: each source has a rate, its credit per full training with a
-- prior of FULL_TRAININGS full ones, and is weighed by its fourth power. KEPT of each share stays as at first.
local function learn_sources(search)
  local own, first = search.counts.sources, search.ladder.sources.shares
  own.learned = search.progress.next_entry
  local credit = source_credits(search)
  if not credit then return end
  local all, spent, weighed, weight = 0, 0, 0, {}
  local longest = rung_length(search, 0, search.ladder.rungs[1] - 1)
  local used = used_now(own)
  for s = 1, #first do all, spent = all + credit[s], spent + used[s] / longest end
  if all == 0 or spent <= 0 then return end
  for s = 1, #first do
    local prior = FULL_TRAININGS * first[s] / WHOLE
    local rate = (credit[s] + prior * all / spent) / (used[s] / longest + prior)
    weight[s] = rate * rate * rate * rate * first[s] / WHOLE
    weighed = weighed + weight[s]
  end
  local share, credited, left = {}, {}, WHOLE
  for s = #first, 1, -1 do
    share[s] = math.floor(WHOLE * (1 - KEPT) * weight[s] / weighed + KEPT * first[s] + 0.5)
    credited[s] = math.floor(WHOLE * credit[s] + 0.5)
    if s > 1 then left = left - share[s] end
  end
  share[1] = left -- the rest of the rounding
  own.share, own.credit = share, credited
end

-- Whether a rung has as many results as models begin with.
local function can_propose(search)
  local most = 0
  for _, size in ipairs(search.counts.sizes) do most = math.max(most, size) end
  return most >= search.ladder.sources.least
end

-- The position of the source that is furthest below its share since models can propose; before that the first one.
local function choose_source(search)
  if not can_propose(search) then return 1 end
  local own, sources = search.counts.sources, search.ladder.sources
  if sources.learns and search.progress.next_entry > (own.learned or 0) then learn_sources(search) end
  if not own.base then
    own.base = { unpack(own.spent) }
    remember_costs(own)
  end
  local all, chosen, furthest, used, before = 0, 1, nil, used_now(own), used_before(own, own.base)
  for s = 1, #used do all = all + used[s] - before[s] end
  for s = 1, #used do
    local lag = own.share[s] * all - WHOLE * (used[s] - before[s])
    if own.share[s] > 0 and (not furthest or lag > furthest) then chosen, furthest = s, lag end
  end
  return chosen
end
