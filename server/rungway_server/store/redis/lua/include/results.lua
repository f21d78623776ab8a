-- Results in rungs. Adding or removing one moves the top-k of its rung.
-- Gives  add_result, promote_ended, remove_results
--- @include "call"
--- @include "trials"
--- @include "experiment"
--- @include "events"
--- @include "rungs"
--- @include "clones"
--- @include "top_k"
-- Defined below: it and `promote_ended` call each other, as a trial that has ended and is promoted has a result in the
-- next rung.
local add_result

-- Whether the trial will never train again: it is dead, or its training ended by itself.
local function has_ended(trial)
  return trial.state == TrialState.failed or trial.state == TrialState.stopped or trial.state == TrialState.completed
end

-- A trial that has ended and wins a slot counts at once in the next rung, with the same result, and so on up. Returns
-- the numbers of the last rung.
local function promote_ended(search, number, trial)
  local key, why, in_top = trial.entries[trial.rung + 1]:sub(1, 8), nil, nil
  repeat
    promote(search, trial)
    why, in_top = add_result(search, trial.bracket, trial.rung, number, trial, key)
    if trial.outcome == Outcome.finished then
      log_decision(search, Reason.finished, number, with_reason(Reason.finished, why))
    end
  until not in_top
  return why
end

-- An entry is in the top-k now: its trial is promotable unless it was promoted before.
local function enter_top(search, bracket, rung, entry)
  if not entry then return end
  local number = number_of(entry)
  local trial = load_trial(search, number)
  if trial.rung > rung then return end
  if has_ended(trial) then return promote_ended(search, number, trial) end
  add_promotable(search, bracket, rung, entry)
end

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

local function by_fronts() -- few searches rank by fronts
--- @apart
--- @include "objectives"
  return { put = put_result, take = take_result }
end

-- Adds a result to a rung (promotion form). Returns the numbers of the decision (bracket, rung, rank, results of the
-- rung, quota, sort key of the cut-off), whether it is in the top-k, its entry, and the reason of going up or not.
add_result = function(search, bracket, rung, number, trial, key)
  if search.ladder.objectives then return by_fronts().put(search, bracket, rung, number, trial, key, promote_ended) end
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
  local own, place, own_before, own_after = own_of(search), nil, nil, nil
  if own then place, own_before, own_after = own.change(search, bracket, rung, entry, 'ZADD') end
  if search.plan.rule == PromotionRule.population then
    if after > 0 then end_round(search, bracket, rung, rank, after) end
  else
    after_adding(search, bracket, rung, entry_at, rank, before, after, enter_top)
  end
  if place then
    after_adding(search, bracket, rung, own.entry, place, own_before, own_after, enter_top)
    if rank >= after and place < own_after then
      return own.numbers(search, bracket, rung, entry), true, entry, Reason.promoted_among_own
    end
  end
  return numbers, rank < after, entry, rank < after and Reason.promoted or Reason.not_promoted
end

local function remove_result(search, bracket, rung, entry)
  if search.ladder.objectives then return by_fronts().take(search, bracket, rung, entry, promote_ended) end
  local sizes, at = search.counts.sizes, rung_index(search, bracket, rung)
  local size, member = sizes[at], rung_prefix(bracket, rung) .. entry
  local rank = rank_of(search, bracket, rung, member)
  local before, after = slots(search, bracket, rung, size), slots(search, bracket, rung, size - 1)
  redis.call('ZREM', RUNGS, member)
  remove_promotable(search, bracket, rung, entry)
  sizes[at] = size - 1
  local own, place, own_before, own_after = own_of(search), nil, nil, nil
  if own then place, own_before, own_after = own.change(search, bracket, rung, entry, 'ZREM') end
  after_removing(search, bracket, rung, entry_at, rank, before, after, enter_top)
  if place then after_removing(search, bracket, rung, own.entry, place, own_before, own_after, enter_top) end
end

-- Removes every result of an invalid trial. Where rungs may be full, its promotions make room.
local function remove_results(search, number, trial)
  local sources, passed = search.ladder.sources, search.counts.passed
  for i, stamp in ipairs(trial.entries) do
    if stamp ~= '' then remove_result(search, trial.bracket, i - 1, stamp .. struct.pack('>I4', number)) end
    local at = rung_index(search, trial.bracket, i - 1)
    if stamp ~= '' and i <= trial.rung and sources and sources.bounded then passed[at] = passed[at] - 1 end
  end
  trial.entries, trial.changed, search.changed = {}, true, true
end
