-- Rungs of a search with several objectives, or with constraints on outcomes (`ladder.objectives`). One more result may
-- change the rank of all others, so each rung ranks its newest results anew when one comes or goes: at most
-- Size.most_compared, for ranking takes time. The first of them in the order of fronts.lua, as many as there are slots,
-- may be promoted; one that ranks last (an infinite violation) never is.
-- Gives  put_result, take_result, listed_numbers, rank_entries, best_members
--- @include "call"
--- @include "sort_keys"
--- @include "trials"
--- @include "rungs"
--- @include "fronts"
-- The place of a sort key in stored entries, which so are in the order of their telling: the vector is at the end.
local NO_KEY, RANKS_LAST = string.rep('\0', 8), '\127\240' .. string.rep('\0', 38)

-- The vector by which a trial ranks in a rung. What a report has for the top rung is behind what it has for others.
local function vector_at(search, trial, key, top)
  local bytes = vector_bytes(search)
  if key == DEAD or not trial.objectives then return RANKS_LAST:sub(1, bytes) end
  return top and trial.objectives:sub(-bytes) or trial.objectives:sub(1, bytes)
end

-- Ranks entries, the earlier before the later one. As a list of what they are, and their `entry`.
local function rank_entries(search, entries, most)
  local vectors, bytes = {}, vector_bytes(search)
  for at, entry in ipairs(entries) do
    local vector = read_vector(search, entry, #entry - bytes - 3)
    vector.at, vector.entry = at, entry
    vectors[at] = vector
  end
  return in_fronts(vectors, most, search.ladder.objectives)
end

-- The entries of a rung that are compared, in the order of their telling.
local function newest(search, bracket, rung)
  local size = search.counts.sizes[rung_index(search, bracket, rung)]
  local last, entries = before_rung(search, bracket, rung) + size - 1, {}
  for i, member in ipairs(redis.call('ZRANGE', RUNGS, last + 1 - math.min(size, Size.most_compared), last)) do
    entries[i] = member:sub(3)
  end
  return entries
end

-- An entry as PROMOTABLE has it: its rank and its front stand in the place of the sort key.
local function with_rank(ranked_entry, rank)
  return struct.pack('>I4I4', rank, ranked_entry.front) .. ranked_entry.entry:sub(9)
end

-- Ranks a rung after a result came or went, and lists anew which of its results are promotable. `entry`: the one that
-- came, which is not listed. `take_in` is done to a promoted one whose trial has ended. Returns rank and front of the
-- one that came, and the sizes of what was compared and of its top-k.
local function rank_anew(search, bracket, rung, entry, take_up)
  local entries = newest(search, bracket, rung)
  local quota, prefix = slots(search, bracket, rung, #entries), string.char(bracket, 255 - rung)
  local order, numbers, rank, front, ended = rank_entries(search, entries, quota), {}, 0, 0, {}
  local listed = redis.call('ZRANGEBYLEX', PROMOTABLE, '[' .. prefix, '[' .. prefix .. '\255')
  if #listed > 0 then search.promotable = search.promotable - redis.call('ZREM', PROMOTABLE, unpack(listed)) end
  for i = 1, quota do
    local number = number_of(order[i].entry)
    if not search.trials[number] then numbers[#numbers + 1] = number end
  end
  if #numbers > 0 then load_trials(search, numbers) end
  for i, each in ipairs(order) do
    if each.entry == entry then
      rank, front = i - 1, each.front
    elseif i <= quota and each[0] < math.huge then
      local trial = search.trials[number_of(each.entry)]
      if trial.rung == rung and trial.state == TrialState.paused then
        add_promotable(search, bracket, rung, with_rank(each, i - 1))
      elseif trial.rung == rung then
        ended[#ended + 1] = number_of(each.entry)
      end
    end
  end
  for _, number in ipairs(ended) do take_up(search, number, search.trials[number]) end
  return rank, front, #entries, quota
end

-- Adds a result to a rung: add_result of results.lua for such a search, but that the numbers have no cut-off, and the
-- front as a last one.
local function put_result(search, bracket, rung, number, trial, key, take_up)
  local at, vector = rung_index(search, bracket, rung), vector_at(search, trial, key, is_top(search, bracket, rung))
  local stamp = NO_KEY .. struct.pack('>I4', search.progress.next_entry)
  if trial.origin then stamp = stamp .. string.char(trial.origin) end
  stamp = stamp .. vector
  local entry = stamp .. struct.pack('>I4', number)
  redis.call('ZADD', RUNGS, 0, rung_prefix(bracket, rung) .. entry)
  search.counts.sizes[at], search.progress.next_entry = search.counts.sizes[at] + 1, search.progress.next_entry + 1
  trial.entries[rung + 1], trial.changed, search.changed = stamp, true, true
  local rank, front, size, quota = rank_anew(search, bracket, rung, entry, take_up)
  local numbers, in_top = { bracket, rung, rank, size, quota, '', front }, rank < quota -- no slot is left for the last
  entry = with_rank({ entry = entry, front = front }, rank)
  return numbers, in_top, entry, in_top and Reason.promoted or Reason.outranked
end

-- Removes a result of an invalid trial.
local function take_result(search, bracket, rung, entry, take_up)
  local at = rung_index(search, bracket, rung)
  redis.call('ZREM', RUNGS, rung_prefix(bracket, rung) .. entry)
  search.counts.sizes[at] = search.counts.sizes[at] - 1
  rank_anew(search, bracket, rung, nil, take_up)
end

-- The numbers of an entry that is listed as promotable: its rank is as of the last change of its rung.
local function listed_numbers(search, bracket, rung, entry)
  local rank, front = struct.unpack('>I4I4', entry)
  local size = math.min(search.counts.sizes[rung_index(search, bracket, rung)], Size.most_compared)
  return { bracket, rung, rank, size, slots(search, bracket, rung, size), '', front }
end

-- The best results of a rung, at most so many: members of RUNGS, with the sort key of a dead one where one ranks last.
local function best_members(search, bracket, rung, most)
  local members, prefix = {}, rung_prefix(bracket, rung)
  for i, each in ipairs(rank_entries(search, newest(search, bracket, rung), most)) do
    if i <= most then members[i] = prefix .. (each[0] < math.huge and NO_KEY or DEAD) .. each.entry:sub(9) end
  end
  return members
end
