-- Entries (`ladder.entries`): a new trial may enter the ladder at any rung, to which it trains unjudged; then it is
-- ranked there and climbs as all others. Which entries get how much of the training is learned from the best results
-- (`auto` in docs/searchers.md has the rules and the reasons). Shares are whole numbers of PARTS.
-- Source: Streeter and Smith 2006, "A Simple Distribution-Free Approach to the Max k-Armed Bandit Problem".
-- Gives  choose_entry, enter
--- @include "call"
--- @include "origins"
--- @include "rungs"
--- @include "used"
--- @include "credit"
local PARTS, PRIOR = 4096, 2

-- In few searches results rank by fronts. Made when it is needed.
local function best_in_fronts_of(search, k, most)
--- @include "objectives"
  return best_members(search, 0, k, most)
end

-- The best results of a rung.
local function best_results(search, k, most)
  local first, entries = before_rung(search, 0, k), {}
  local members = search.ladder.objectives and best_in_fronts_of(search, k, most)
    or redis.call('ZRANGE', RUNGS, first, first + most - 1)
  for i, member in ipairs(members) do entries[i] = member:sub(3) end
  return entries
end

-- The position of the entry of a result; nil for one of elsewhere, for which no entry had training.
local function owner_of(result)
  local origin = result:byte(13)
  local s = entry_of(origin)
  return origin - s ~= 32 * Source.elsewhere and s + 1 or nil
end

-- The credit of each entry at the highest rung with two results in its top-k, and that rung; nil when there is none.
local function credits(search)
  local k, size, whole, count = #search.ladder.entries, 0, 0, #search.ladder.entries
  while whole < 2 and k > 0 do
    k = k - 1
    size = search.counts.sizes[k + 1]
    whole = math.min(math.floor(size / search.plan.divisor), MOST_CREDIT)
  end
  if whole < 2 then return nil end
  local known = known_credit(search, 'entries', k, size)
  if known then return known, k end
  local best = best_results(search, k, math.min(size, LOOKED_AT))
  return keep_credit(search, 'entries', k, size, best, count, whole, owner_of), k
end

local function rounded(x) return math.floor(x + 0.5) end

-- The shares that follow from the results so far: each entry that the rung can judge has a rate, its credit per full
-- training with a prior of PRIOR full trainings, and is weighed by the fourth power of that. A tenth stays as at first.
local function learn(search)
  local counts, first = search.counts, search.ladder.entries
  counts.learned = search.progress.next_entry
  local credit, k = credits(search)
  if not credit then return end
  local longest, all, spent, judged, weights, weight = rung_length(search, 0, #first - 1), 0, 0, 0, 0, {}
  local used = used_now(counts)
  for s = 1, k + 1 do
    all, spent, judged = all + credit[s], spent + used[s] / longest, judged + first[s] / PARTS
  end
  if all == 0 or spent <= 0 then return end
  for s = 1, k + 1 do
    local prior = PRIOR * first[s] / PARTS
    local rate = (credit[s] + prior * all / spent) / (used[s] / longest + prior)
    weight[s] = rate * rate * rate * rate * math.sqrt(first[s] / PARTS)
    weights = weights + weight[s]
  end
  local left = PARTS
  for s = #first, 1, -1 do
    local share = s > k + 1 and first[s] / PARTS or judged * weight[s] / weights
    counts.share[s], counts.credit[s] = rounded(PARTS * 0.9 * share + 0.1 * first[s]), rounded(PARTS * credit[s])
    if s > 1 then left = left - counts.share[s] end
  end
  counts.share[1] = left -- the rest of the rounding
end

-- The entry that is furthest below its share of the training since the ladder has spoken: before its first full result
-- nothing can be learned, and any other entry than the lowest would only delay that result. `now`: without waiting.
local function choose_entry(search, now)
  local counts, top = search.counts, #search.ladder.entries
  if search.progress.next_entry > (counts.learned or 0) then learn(search) end
  if not counts.opened and (now or counts.sizes[top] > 0) then
    counts.opened = { unpack(counts.spent) }
    remember_costs(counts)
  end
  if not counts.opened then return 0 end
  local all, chosen, most, used, before = 0, 1, nil, used_now(counts), used_before(counts, counts.opened)
  for s = 1, top do all = all + used[s] - before[s] end
  for s = 1, top do
    local lag = counts.share[s] * all - PARTS * (used[s] - before[s])
    if not most or lag > most then chosen, most = s, lag end
  end
  return chosen - 1
end

-- A new trial enters. Returns the explanation: its entry in the place of the rung and, in that of a clone's parent, by
-- entry the shares, the training handed out before this trial, and the credit; what was used where its cost counts.
local function enter(search, trial, reason)
  local counts, entry = search.counts, choose_entry(search)
  trial.rung, trial.origin = entry, (trial.origin or 0) + entry
  for k = 1, entry do trial.entries[k] = '' end
  local why = { reason, trial.bracket, entry, 0, 0, 0, '' }
  for _, list in ipairs({ counts.share, counts.spent, counts.credit }) do
    for s = 1, #counts.share do why[#why + 1] = list[s] end
  end
  if counts.costs then why[#why + 1] = used_text(counts) end
  return why
end
