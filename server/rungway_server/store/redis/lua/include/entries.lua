-- Entries (`ladder.entries`): a new trial may enter the ladder at any rung, to which it trains unjudged; then it is
-- ranked there and climbs as all others. Which entries get how much of the training is learned from the best results
-- (learn_entries.lua).
-- Gives  choose_entry, enter
--- @include "shares"
-- The entry whose turn it is. Before its first full result nothing can be learned, and any other entry than the lowest
-- would only delay that result; `now`: without waiting for it.
local function choose_entry(search, now)
  local top, counts = search.ladder.rungs[1], search.counts
  local may_count = now or counts.sizes[top] > 0
  return choose_by_share(search, 'entries', top, true, may_count, counts.entries_costs) - 1
end

-- A new trial enters. Returns the explanation: its entry in the place of the rung and, in that of a clone's parent,
-- credit and shares of the entries and the training handed out to each before this trial, as they are stored; what was
-- used where its cost counts.
local function enter(search, trial, reason, entry)
  local counts, top = search.counts, search.ladder.rungs[1]
  trial.rung, trial.origin = entry, (trial.origin or 0) + entry
  for k = 1, entry do trial.entries[k] = '' end
  local why = { reason, trial.bracket, entry, 0, 0, 0, '', counts.entries:sub(1, 11 * top) }
  if counts.entries_costs then rarely(search, 'used', 'entries', top, why) end
  return why
end
