-- Training that was handed out (`counts.spent`, by entry where the ladder has entries), and what bounds a search: so
-- much of it (`ladder.budget`), or a time (`counts.deadline`). What a lease did not train is given back at its end.
-- Gives  spend, out_of_budget
--- @include "origins"
-- Where the shares of sources are learned, what each had is counted, too. Made when called: in few searches.
local function spend_on_source(search, origin, length)
--- @include "origins"
  local spent, s = search.counts.sources.spent, source_index(search, source_of(origin))
  if s then spent[s] = spent[s] + length end
end

local function spend(search, trial, length)
  local spent, origin, sources = search.counts.spent, trial.origin or 0, search.ladder.sources
  local at = entry_of(origin) + 1
  spent[at] = spent[at] + length
  if sources and sources.learns then spend_on_source(search, origin, length) end
end

-- Whether nothing may be handed out any more. So no search is ever more than one assignment beyond its budget.
local function out_of_budget(search)
  local ladder, counts = search.ladder, search.counts
  if counts.deadline and search.now_ms >= counts.deadline then return true end
  if not ladder.budget then return false end
  local spent = 0
  for _, length in ipairs(counts.spent) do spent = spent + length end
  return spent >= ladder.budget
end
