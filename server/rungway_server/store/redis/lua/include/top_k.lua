-- The top-k of a rung: who enters it, who leaves it, when a result comes or goes.
-- Gives  own_of, after_adding, after_removing
--- @include "rungs"
-- In few searches trials of the sampler are promoted by their rank among themselves, too. Made when it is needed.
local function protection(search)
--- @apart
--- @include "protect"
  search.protection = {
    change = change_own, entry = own_entry, numbers = own_numbers, stays_up = stays_up, has_room = has_room,
  }
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

-- After an entry came to a rung at this rank: of the top-k, or of that of the own ones. `at` gives an entry by rank,
-- `take_in` is done to one that is in the top-k now.
local function after_adding(search, bracket, rung, at, rank, before, after, take_in)
  if rank < after and after == before then
    leave_top(search, bracket, rung, at(search, bracket, rung, after))
  elseif rank >= after and after > before then
    take_in(search, bracket, rung, at(search, bracket, rung, after - 1))
  end
end

-- The same after one went.
local function after_removing(search, bracket, rung, at, rank, before, after, take_in)
  if rank < before and after == before then
    take_in(search, bracket, rung, at(search, bracket, rung, after - 1))
  elseif rank >= before and after < before then
    leave_top(search, bracket, rung, at(search, bracket, rung, after))
  end
end
