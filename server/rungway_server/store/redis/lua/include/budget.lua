-- Training that was handed out (`counts.spent`, by entry where the ladder has entries), and what bounds a search: so
-- much of it (`ladder.budget`), or a time (`counts.deadline`). What a lease did not train is given back at its end.
-- Gives  spend, out_of_budget

-- By entry, and by source where their shares are learned. Made when called: in few searches.
local function spend_by_origin(search, origin, length)
--- @apart
--- @include "origins"
--- @include "numbers"
  local counts, ladder, sources = search.counts, search.ladder, search.ladder.sources
  if counts.entries then
    counts.entries = with_more(counts.entries, 5 * ladder.rungs[1] + 6 * entry_of(origin) + 1, length)
  end
  local s = sources and sources.learns and source_index(search, source_of(origin))
  if s then counts.sources = with_more(counts.sources, 5 * #sources.codes + 6 * s - 5, length) end
end

-- Nothing is counted where nothing depends on it.
local function spend(search, trial, length)
  local spent, ladder = search.counts.spent, search.ladder
  if spent then spent[1] = spent[1] + length end
  if ladder.entries or ladder.sources then spend_by_origin(search, trial.origin or 0, length) end
end

-- Whether nothing may be handed out any more. So no search is ever more than one assignment beyond its budget.
local function out_of_budget(search)
  local ladder, counts = search.ladder, search.counts
  if counts.deadline and search.now_ms >= counts.deadline then return true end
  if not ladder.budget then return false end
  local spent, entries = 0, counts.entries and ladder.rungs[1] or 0 -- their numbers: numbers.lua
  for _, length in ipairs(counts.spent or {}) do spent = spent + length end
  for s = 1, entries do spent = spent + struct.unpack('>i6', counts.entries, 5 * entries + 6 * s - 5) end
  return spent >= ladder.budget
end
