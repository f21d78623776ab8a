-- Which of the promotable results is promoted.
-- Gives  is_full, pop_promotable
--- @include "call"
--- @include "trials"
--- @include "rungs"
--- @include "top_k"
-- Whether a rung has promoted as many as it may, in the few searches that have this bound; for an `entry` that was just
-- told also, whether a better one waits for room.
local function is_full(search, bracket, rung, entry)
  local own = own_of(search)
  if not own or not search.ladder.sources.bounded then return false end
  if not own.has_room(search, bracket, rung) then return true end
  local first, member = '[' .. string.char(bracket, 255 - rung), entry and promotable_member(bracket, rung, entry)
  return entry and redis.call('ZLEXCOUNT', PROMOTABLE, first, '(' .. member) > 0
end

-- In few searches rungs rank by fronts.
local function numbers_in_fronts(search, bracket, rung, entry)
--- @apart
--- @include "objectives"
  return listed_numbers(search, bracket, rung, entry)
end

-- Removes the best promotable result of the highest rung of a bracket; of one that is not full, unless `full` is true.
-- Returns trial number, record and explanation; nil when there is none.
local function pop_promotable(search, bracket, full)
  if search.promotable == 0 then return nil end
  local from, last, member, rung = string.char(bracket), '(' .. string.char(bracket + 1), nil, nil
  repeat
    member = redis.call('ZRANGEBYLEX', PROMOTABLE, '[' .. from, last, 'LIMIT', 0, 1)[1]
    if not member then return nil end
    rung = 255 - member:byte(2)
    from = rung > 0 and string.char(bracket, 256 - rung) or string.char(bracket + 1)
  until full or not is_full(search, bracket, rung)
  local entry = member:sub(3)
  local number, size = number_of(entry), search.counts.sizes[rung_index(search, bracket, rung)]
  local trial, quota = load_trial(search, number), slots(search, bracket, rung, size)
  local rank = rank_of(search, bracket, rung, rung_prefix(bracket, rung) .. entry)
  local why = { Reason.promoted, bracket, rung, rank, size, quota, cutoff_key(search, bracket, rung, quota) }
  local own = own_of(search)
  if own and rank >= quota then
    why = { Reason.promoted_among_own, unpack(own.numbers(search, bracket, rung, entry)) }
  end
  if search.ladder.objectives then
    why = { Reason.promoted, unpack(numbers_in_fronts(search, bracket, rung, entry)) }
  end
  remove_promotable(search, bracket, rung, entry)
  return number, trial, why
end
