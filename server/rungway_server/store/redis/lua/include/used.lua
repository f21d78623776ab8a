-- What entries, or sources, have used of the training: what was handed out or, where its cost counts, that weighed by
-- it. `own` is what is counted of them: `spent`, and in few searches `costs`.
-- Gives  used_now, used_before, remember_costs, used_text

-- Made when called: in most searches the cost of training does not count.
local function by_cost(spent, own, all)
--- @include "costs"
  return weighed_by_cost(spent, own, all)
end

local function used_now(own) return own.costs and by_cost(own.spent, own.costs, own.costs) or own.spent end

-- What they had used when so much was spent and shares began to count: at the rate of today, as all else.
local function used_before(own, spent)
  return own.costs and by_cost(spent, own.costs.before, own.costs) or spent
end

-- Shares begin to count. In few searches.
local function remember_costs(own)
--- @include "costs"
  if own.costs then own.costs = costs_from_now(own.costs) end
end

-- What they have used now as a text, which holds each number exactly.
local function used_text(own)
  local texts = {}
  for s, used in ipairs(used_now(own)) do texts[s] = string.format('%.17g', used) end
  return table.concat(texts, ' ')
end
