-- Results in rungs. Adding or removing one moves the top-k of its rung.
-- Gives  add_result, remove_results
--- @include "call"
--- @include "trials"
--- @include "experiment"
--- @include "events"
--- @include "rungs"
--- @include "clones"
--- @include "top_k"
-- A rung of a population has all its results: its top-k, so far empty, takes in the best, and clones make up for those
-- that fall out.
local function end_round(search, bracket, rung, newcomer, top)
  local at, entries, first = rung_index(search, bracket, rung), {}, before_rung(search, bracket, rung)
  local members = redis.call('ZRANGE', RUNGS, first, first + search.counts.sizes[at] - 1)
  for i, member in ipairs(members) do entries[i] = member:sub(3) end
  for i = 1, top do
    if i - 1 ~= newcomer then enter_top(search, bracket, rung, entries[i]) end
  end
  local clones = search.ladder.clones[at]
  local parents = parents_of(search, rung, entries, clones)
  for i = 1, #parents > 0 and not is_over(search) and clones or 0 do
    add_clone(search, bracket, parents[(i - 1) % #parents + 1])
  end
end

-- Adds a result to a rung (promotion form). Returns the numbers the decision rests on, whether the newcomer is in the
-- top-k, its entry, and the reason if it is promoted. The numbers: bracket, rung, rank, results of the rung, quota,
-- sort key of the cut-off.
add_result = function(search, bracket, rung, number, trial, key)
  local sizes, at = search.counts.sizes, rung_index(search, bracket, rung)
  local size, stamp = sizes[at], key .. struct.pack('>I4', search.progress.next_entry)
  if trial.origin then stamp = stamp .. string.char(trial.origin) end
  local entry = stamp .. struct.pack('>I4', number)
  local member = rung_prefix(bracket, rung) .. entry
  local rank = rank_of(search, bracket, rung, member)
  local before, after = slots(search, bracket, rung, size), slots(search, bracket, rung, size + 1)
  redis.call('ZADD', RUNGS, 0, member)
  sizes[at], search.progress.next_entry = size + 1, search.progress.next_entry + 1
  trial.entries[rung + 1], trial.changed, search.changed = stamp, true, true
  local numbers = { bracket, rung, rank, size + 1, after, cutoff_key(search, bracket, rung, after) }
  local own, own_rank, own_before, own_after = own_of(search), nil, nil, nil
  if own then own_rank, own_before, own_after = own.change(search, bracket, rung, entry, 'ZADD') end
  if search.plan.rule == PromotionRule.population then
    if after > 0 then end_round(search, bracket, rung, rank, after) end
  else
    after_adding(search, bracket, rung, entry_at, rank, before, after)
  end
  if own_rank then
    after_adding(search, bracket, rung, own.entry, own_rank, own_before, own_after)
    if rank >= after and own_rank < own_after then
      return own.numbers(search, bracket, rung, entry), true, entry, Reason.promoted_among_own
    end
  end
  return numbers, rank < after, entry, Reason.promoted
end

local function remove_result(search, bracket, rung, entry)
  local sizes, at = search.counts.sizes, rung_index(search, bracket, rung)
  local size, member = sizes[at], rung_prefix(bracket, rung) .. entry
  local rank = rank_of(search, bracket, rung, member)
  local before, after = slots(search, bracket, rung, size), slots(search, bracket, rung, size - 1)
  redis.call('ZREM', RUNGS, member)
  remove_promotable(search, bracket, rung, entry)
  sizes[at] = size - 1
  local own, own_rank, own_before, own_after = own_of(search), nil, nil, nil
  if own then own_rank, own_before, own_after = own.change(search, bracket, rung, entry, 'ZREM') end
  after_removing(search, bracket, rung, entry_at, rank, before, after)
  if own_rank then after_removing(search, bracket, rung, own.entry, own_rank, own_before, own_after) end
end

-- Removes every result of an invalid trial. It has none below the rung it entered at.
local function remove_results(search, number, trial)
  for i, stamp in ipairs(trial.entries) do
    if stamp ~= '' then remove_result(search, trial.bracket, i - 1, stamp .. struct.pack('>I4', number)) end
  end
  trial.entries, trial.changed, search.changed = {}, true, true
end
