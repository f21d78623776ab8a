-- Sources of configurations (`ladder.sources`): the sampler, models, another program. Each has a share of the new
-- trials or, where shares are learned (learn_sources.lua), of the training.
-- Gives  can_propose, choose_source, look_ahead
--- @include "shares"

-- Whether a rung has as many results as models begin with.
local function can_propose(search)
  local least = search.ladder.sources.least
  for _, size in ipairs(search.counts.sizes) do
    if size >= least then return true end
  end
  return false
end

-- The position of the source whose turn it is; until models can propose that is the first one. An ask looks ahead
-- whether that source has a proposal (`look_ahead`), and what was chosen then holds as long as nothing has changed.
local function choose_source(search)
  local counts, sources, ahead = search.counts, search.ladder.sources, search.ahead
  if ahead and ahead.numbers == counts.sources and ahead.results == search.progress.next_entry then
    counts.sources, counts.sources_costs = ahead.then_numbers, ahead.then_costs
    return ahead.chosen
  end
  if not can_propose(search) then return 1 end
  return choose_by_share(search, 'sources', #sources.codes, sources.learns, true, counts.sources_costs)
end

-- The source of the next new trial. Nothing is changed.
local function look_ahead(search)
  local counts = search.counts
  local numbers, costs = counts.sources, counts.sources_costs
  local ahead = { numbers = numbers, results = search.progress.next_entry, chosen = choose_source(search) }
  ahead.then_numbers, ahead.then_costs = counts.sources, counts.sources_costs
  counts.sources, counts.sources_costs, search.ahead = numbers, costs, ahead
  return ahead.chosen
end
