-- Which proposals of models are missing before new trials begin.
-- Gives  proposals_missing
--- @include "budget"

-- The source whose turn it is, where a proposal of it may be missing; nil where none is, or models cannot propose yet.
-- Made when called: in most searches none proposes.
local function next_source(search, new)
--- @apart
--- @include "sources"
--- @include "in_stock"
  if not can_propose(search) then return nil end
  local chosen, codes = look_ahead(search), search.ladder.sources.codes
  if new > 1 then return chosen end
  local one_lane = not search.counts.entries or codes:byte(chosen) ~= Source.forest
  local enough = chosen == 1 or (in_stock(search, chosen) > 0 and (one_lane or in_stock(search, #codes + 1) > 0))
  return not enough and chosen or nil
end

-- What is missing, the first trial with a configuration of the chosen source.
local function lacking_proposals(search, new, chosen)
--- @apart
--- @include "stock"
  return missing_proposals(search, new, chosen)
end

-- What is missing before so many new trials begin: {revision, results, {lane, source, number of its next proposal, how
-- many are lacking, 1 = trains long unjudged}…}, or nothing. Mostly there are enough in all lanes.
local function proposals_missing(search, new)
  local least, lasts = struct.unpack('>I4I4', search.counts.stock)
  if least >= new and search.progress.next_entry < lasts then return nil end
  if search.plan.cap > 0 then new = math.min(new, search.plan.cap - search.live) end
  local chosen = new > 0 and not out_of_budget(search) and next_source(search, new)
  return chosen and lacking_proposals(search, new, chosen)
end
