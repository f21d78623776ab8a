-- The top-k of a rung: who enters it, who leaves it, when a result comes or goes.
-- Gives  add_result (only its name), promote_ended, enter_top, own_of, after_adding, after_removing
--- @include "trials"
--- @include "events"
--- @include "rungs"
-- Defined in results.lua: it and `promote_ended` call each other, as a trial that has ended and is promoted has a
-- result in the next rung.
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

-- In few searches trials of the sampler are promoted by their rank among themselves, too. Made when it is needed.
local function protection(search)
--- @include "protect"
  search.protection = { change = change_own, entry = own_entry, numbers = own_numbers, stays_up = stays_up }
end

-- The same, nil in most searches.
local function own_of(search)
  local sources = search.ladder.sources
  if sources and sources.protects and not search.protection then protection(search) end
  return search.protection
end

-- An entry is not in the top-k any more.
local function leave_top(search, bracket, rung, entry)
  local own = own_of(search)
  if own and entry and own.stays_up(search, bracket, rung, entry) then return end
  remove_promotable(search, bracket, rung, entry)
end

-- After an entry came to a rung at this rank: of the top-k, or of that of the own ones; `at` gives an entry by rank.
local function after_adding(search, bracket, rung, at, rank, before, after)
  if rank < after and after == before then
    leave_top(search, bracket, rung, at(search, bracket, rung, after))
  elseif rank >= after and after > before then
    enter_top(search, bracket, rung, at(search, bracket, rung, after - 1))
  end
end

-- The same after one went.
local function after_removing(search, bracket, rung, at, rank, before, after)
  if rank < before and after == before then
    enter_top(search, bracket, rung, at(search, bracket, rung, after - 1))
  elseif rank >= before and after < before then
    leave_top(search, bracket, rung, at(search, bracket, rung, after))
  end
end
