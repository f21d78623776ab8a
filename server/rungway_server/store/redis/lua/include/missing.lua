-- Which proposals of models are missing before new trials begin.
-- Gives  proposals_missing
--- @include "budget"

-- The source whose turn it is; nil before models can propose. Made when called: in most searches none proposes.
local function next_source(search)
--- @apart
--- @include "sources"
  return can_propose(search) and look_ahead(search) or nil
end

-- What is missing before so many new trials begin, the first of them with a configuration of the chosen source.
local function lacking_proposals(search, new, chosen)
--- @apart
--- @include "stock"
  return not (new == 1 and has_proposals(search, chosen)) and missing_proposals(search, new, chosen)
end

-- Returns {revision, results, {lane, source, number of its next proposal, how many are lacking, 1 = trains long
-- unjudged}…}, or nothing. Mostly there are enough in all lanes, or it is the sampler's turn.
local function proposals_missing(search, new)
  local least, lasts = struct.unpack('>I4I4', search.counts.stock)
  if least >= new and search.progress.next_entry < lasts then return nil end
  if search.plan.cap > 0 then new = math.min(new, search.plan.cap - search.live) end
  local chosen = new > 0 and not out_of_budget(search) and next_source(search)
  return chosen and (new > 1 or chosen > 1) and lacking_proposals(search, new, chosen)
end
