-- Searches of layouts before 16 have lists and tables where those of today have texts of numbers (numbers.lua). Frozen:
-- it changes what those layouts stored, which no longer changes.
-- Gives  without_lists
--- @include "experiment"
--- @include "numbers"
--- @include "in_stock"
local function learned_in(own, since)
  local count = #own.share
  local known = text_of('I3', own.credit) .. text_of('I2', own.share) .. text_of('i6', own.spent)
  local before = since and text_of('i6', since) or string.rep('\255', 6 * count)
  local nothing_kept = string.rep('\255', 13) .. string.rep('\0', 8 * count)
  return known .. struct.pack('>I4', own.learned or 0) .. before .. nothing_kept
end

-- The plan, and the counts, as they are today.
local function without_lists(search)
  local counts, ladder, own = search.counts, search.ladder, search.counts.sources
  if counts.share then
    ladder.entries = text_of('I2', ladder.entries)
    counts.entries, counts.entries_costs = learned_in(counts, counts.opened), counts.costs
    for _, name in ipairs({ 'share', 'credit', 'spent', 'opened', 'learned', 'costs' }) do counts[name] = nil end
  end
  if own then
    ladder.sources.codes = text_of('I1', ladder.sources.codes)
    ladder.sources.shares = text_of('I2', ladder.sources.shares)
    counts.sources, counts.sources_costs = learned_in(own, own.base), own.costs
    counts.stock = string.rep('\0', 8)
    for lane, each in ipairs(own.stock) do
      local external = ladder.sources.codes:byte(lane) == Source.external
      local lasts = external and NO_END or each.made + math.max(4, math.floor(0.15 * each.made))
      local numbers = { each.used, each.filled, each.drawn, each.made, each.revision, lasts }
      counts.stock = counts.stock .. text_of('I4', numbers)
    end
    counts.stock = counts.stock .. text_of('I4', own.sizes)
    note_stock(search)
  end
  counts.kept = nil
  search.new_ladder, search.stock_changed = true, true
  need_layout(search, Size.numbers_layout)
end
