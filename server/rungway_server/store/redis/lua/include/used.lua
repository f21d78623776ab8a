-- What entries, or sources (`whose`), have used of the training: what was handed out or, in few searches, that weighed
-- by its cost.
-- Gives  by_cost, used_now, remember_costs, used_text
--- @include "numbers"
--- @include "costs"
-- What was handed out, weighed by its cost: now, and when so much was spent and shares began to count, at the rate of
-- today, as all else.
local function by_cost(spent, costs, since)
  return weighed_by_cost(spent, costs, costs), weighed_by_cost(since, costs.before, costs)
end

local function used_now(search, whose, count)
  local spent, costs = spent_in(search.counts[whose], count), search.counts[whose .. '_costs']
  return costs and weighed_by_cost(spent, costs, costs) or spent
end

-- Shares begin to count.
local function remember_costs(counts, whose)
  local name = whose .. '_costs'
  if counts[name] then counts[name] = costs_from_now(counts[name]) end
end

-- What each has used now as a text, which holds each number exactly.
local function used_text(search, whose, count)
  local texts = {}
  for s, used in ipairs(used_now(search, whose, count)) do texts[s] = string.format('%.17g', used) end
  return table.concat(texts, ' ')
end
