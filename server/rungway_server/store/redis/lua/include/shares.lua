-- Shares of the training, of entries or of sources (`whose`): the next new trial is for the one that is furthest below
-- its share of what was used since shares began to count.
-- Gives  rarely, choose_by_share

-- What few choices need. Made when called.
local function rarely(search, what, whose, count, on)
--- @apart
--- @include "learn_entries"
--- @include "learn_sources"
--- @include "numbers"
--- @include "used"
  local counts = search.counts
  if what == 'learn' then -- shares that follow from new results
    if whose == 'entries' then learn_entries(search) else learn_sources(search) end
  elseif what == 'begin' then -- shares count from now on
    counts[whose] = with_bytes(counts[whose], 11 * count + 5, counts[whose]:sub(5 * count + 1, 11 * count))
    remember_costs(counts, whose)
    if counts.stock then counts.stock = with_bytes(counts.stock, 1, string.rep('\0', 8)) end -- perhaps one lane more
  elseif what == 'weigh' then -- of what is known (`on`), what was spent, where its cost counts
    local spent, since = { unpack(on, count + 1, 2 * count) }, { unpack(on, 2 * count + 2, 3 * count + 1) }
    local used, before = by_cost(spent, counts[whose .. '_costs'], since)
    for s = 1, count do on[count + s], on[2 * count + 1 + s] = used[s], before[s] end
  elseif what == 'used' then -- what each has used, as a text, for an explanation (`on`)
    on[#on + 1] = used_text(search, whose, count)
  else -- shares are of new trials, not of training: one more, of this position (`on`)
    counts[whose] = with_more(counts[whose], 5 * count + 6 * on - 5, 1)
  end
end

-- The position of the one whose turn it is, the first one until shares count. `learns`: shares are learned anew when
-- there are 3 % more results, at least one: learning after each would cost more than all else that an ask does, and
-- would hardly change a share.
local function choose_by_share(search, whose, count, learns, may_count, costs)
  local counts = search.counts
  local format = '>' .. string.rep('I2', count) .. string.rep('i6', count) .. 'I4' .. string.rep('i6', count)
  local known = { struct.unpack(format, counts[whose], 3 * count + 1) }
  local learned, used, before = known[2 * count + 1], count, 2 * count + 1
  if learns and search.progress.next_entry - learned >= math.max(1, math.floor(0.03 * learned)) then
    rarely(search, 'learn', whose)
    known = { struct.unpack(format, counts[whose], 3 * count + 1) }
  end
  if known[before + 1] < 0 then
    if not may_count then return 1 end
    rarely(search, 'begin', whose, count)
    known = { struct.unpack(format, counts[whose], 3 * count + 1) }
  end
  if costs then rarely(search, 'weigh', whose, count, known) end
  local all, chosen, furthest = 0, 1, nil
  for s = 1, count do all = all + known[used + s] - known[before + s] end
  for s = 1, count do
    local share = known[s]
    local lag = share * all - Size.whole_share * (known[used + s] - known[before + s])
    if share > 0 and (not furthest or lag > furthest) then chosen, furthest = s, lag end
  end
  return chosen
end
