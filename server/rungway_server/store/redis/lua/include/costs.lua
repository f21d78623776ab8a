-- What training costs, as reports say it (`plan.cost_aware`). `costs` has by entry, or by source, the training that was
-- `told` with a cost, in units of length, and its `cost`; `before` has both as they were when shares began to count.
-- `cost_aware` in docs/searchers.md has the rules and the reasons.
-- Gives  no_costs, open_costs, costs_from_now, weighed_by_cost
--- @include "experiment"
--- @include "origins"
-- No sum of costs grows beyond this, so that all of them together are finite.
local MOST_COST = 1e300

local function no_costs(count)
  local costs = { told = {}, cost = {} }
  for s = 1, count do costs.told[s], costs.cost[s] = 0, 0 end
  return costs
end

-- Gives each report of a tell its cost: the value without a name among its further metrics, `packed` (further.lua).
local function give_costs(results, packed)
  local names, shapes, rows = unpack(cmsgpack.unpack(packed))
  local at = {}
  for i, places in ipairs(shapes) do
    for j, place in ipairs(places) do
      if names[place + 1] == '' then at[i] = 8 * j - 7 end
    end
  end
  for i = 1, #rows, 4 do
    local first = at[rows[i + 2] + 1]
    if first then results[rows[i] + 1].reports[rows[i + 1] + 1].cost = struct.unpack('>d', rows[i + 3], first) end
  end
end

local function add_cost(costs, s, length, cost)
  costs.told[s], costs.cost[s] = costs.told[s] + length, math.min(costs.cost[s] + cost, MOST_COST)
end

-- Counts what the reports of a result cost, before they are added to the trial.
local function count_costs(search, result, trial)
  local counts, sources, origin, before = search.counts, search.ladder.sources, trial.origin or 0, trial.length
  local s = sources and sources.learns and source_index(search, source_of(origin))
  for _, report in ipairs(result.reports) do
    local length, cost = report.length - before, report.cost
    if cost and counts.entries_costs then add_cost(counts.entries_costs, entry_of(origin) + 1, length, cost) end
    if cost and s then add_cost(counts.sources_costs, s, length, cost) end
    before = report.length
  end
end

-- Prepares a tell for the costs of its reports. Returns what counts those of a result.
local function open_costs(search, results, packed)
  open_ladder(search)
  give_costs(results, packed)
  return count_costs
end

-- The costs, which remember what they are now.
local function costs_from_now(costs)
  local before = { told = { unpack(costs.told) }, cost = { unpack(costs.cost) } }
  return { told = costs.told, cost = costs.cost, before = before }
end

-- Training that was handed out, by entry or source: the part of it that was told with a cost (`own`) counts as its cost
-- is to all cost (`all`). So a unit of length counts as one where it costs as much as on the whole, and the sum of what
-- all have had since the beginning stays.
local function weighed_by_cost(spent, own, all)
  local told, cost, used = 0, 0, {}
  for s = 1, #spent do told, cost = told + all.told[s], cost + all.cost[s] end
  for s = 1, #spent do
    used[s] = cost > 0 and spent[s] - own.told[s] + told * (own.cost[s] / cost) or spent[s]
  end
  return used
end
