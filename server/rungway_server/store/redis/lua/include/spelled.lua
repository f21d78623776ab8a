-- The counts as tables, which is how Python reads them, and how layouts before 16 stored them.
-- Gives  spelled_out
--- @include "numbers"
--- @include "in_stock"
local function learned_from(text, count)
  local since = numbers_at(text, 11 * count + 5, 'i6', count)
  return {
    share = numbers_at(text, 3 * count + 1, 'I2', count), credit = numbers_at(text, 1, 'I3', count),
    spent = spent_in(text, count), learned = struct.unpack('>I4', text, 11 * count + 1),
    since = since[1] >= 0 and since or nil,
  }
end

local function spelled_out(search)
  local counts, entries, sources = search.counts, search.ladder.entries, search.ladder.sources
  if type(counts.entries) == 'string' then
    local known = learned_from(counts.entries, search.ladder.rungs[1])
    counts.share, counts.credit, counts.opened, counts.learned = known.share, known.credit, known.since, known.learned
    counts.spent, counts.costs, counts.entries_costs = known.spent, counts.entries_costs, nil
  end
  if type(counts.sources) == 'string' then
    local own = learned_from(counts.sources, #sources.codes)
    own.sizes, own.base, own.since, own.stock = own_sizes(search), own.since, nil, {}
    for lane = 1, #sources.codes + 1 do
      local _, used, filled, drawn, made, revision = stock_of(search, lane)
      own.stock[lane] = { used = used, filled = filled, drawn = drawn, made = made, revision = revision }
    end
    own.costs, counts.sources_costs = counts.sources_costs, nil
    counts.sources, counts.stock = own, nil
  end
  counts.entries, counts.kept = nil, nil
  return counts
end
