-- Trials that wait at a rung, in a search in which these go on after the last new one (`ladder.go_on`). PROMOTABLE
-- has all of them after its own members: bracket + 128 (1 byte), 255 - rung (1 byte), entry.
-- Gives  keep_waiting, end_waiting, go_on_waiting
--- @include "call"
--- @include "trials"
--- @include "origins"
--- @include "rungs"
local WAITING = 128

local function waiting_member(number, trial)
  local entry = trial.entries[trial.rung + 1] .. struct.pack('>I4', number)
  return string.char(WAITING + trial.bracket, 255 - trial.rung) .. entry
end

-- The trial waits at its rung, where it has a result.
local function keep_waiting(search, number, trial)
  if not search.ladder.go_on then return end
  search.waiting = search.waiting + redis.call('ZADD', PROMOTABLE, 0, waiting_member(number, trial))
end

-- The trial waits no more: it is about to leave its rung.
local function end_waiting(search, number, trial)
  if not search.ladder.go_on then return end
  search.waiting = search.waiting - redis.call('ZREM', PROMOTABLE, waiting_member(number, trial))
end

-- A number from 0 below `count`, another one each time and the same in every replay.
local function drawn_below(search, count)
  local counts = search.counts
  counts.drawn = (counts.drawn or 0) + 1
  return tonumber(redis.sha1hex(search.ladder.blind .. ':' .. counts.drawn):sub(1, 12), 16) % count
end

-- Of the trials that wait below the rung of the next entry one, drawn evenly, goes there unjudged and belongs to that
-- entry from now on. Returns a member of PROMOTABLE, and the rung.
local function draw_blind(search, entry)
  if entry == 0 then return nil end
  local first = '[' .. string.char(WAITING, 256 - entry)
  local count = redis.call('ZLEXCOUNT', PROMOTABLE, first, '+')
  if count == 0 then return nil end
  local at = -1 - drawn_below(search, count)
  return redis.call('ZRANGE', PROMOTABLE, at, at)[1], entry
end

-- In few searches these are in the order of their telling. Returns the best of the newest in the rung of this one, and
-- the numbers of that.
local function best_in_fronts(search, member)
--- @include "objectives"
  local at, entries, most = member:sub(1, 2), {}, Size.most_compared
  local first, last = '[' .. at, '[' .. at .. '\255'
  local before = math.max(0, redis.call('ZLEXCOUNT', PROMOTABLE, first, last) - most)
  local members = redis.call('ZRANGEBYLEX', PROMOTABLE, first, last, 'LIMIT', before, most)
  for i, each in ipairs(members) do entries[i] = each:sub(3) end
  local bracket, rung, best = at:byte(1) - WAITING, 255 - at:byte(2), rank_entries(search, entries, 1)[1]
  return at .. best.entry, { bracket, rung, 0, #entries, slots(search, bracket, rung, #entries), '', best.front }
end

-- The best of the trials that wait at the highest rung of a bracket, and its numbers where these are of fronts.
local function best_waiting(search, bracket)
  local first, last = '[' .. string.char(WAITING + bracket), '(' .. string.char(WAITING + bracket + 1)
  local member = redis.call('ZRANGEBYLEX', PROMOTABLE, first, last, 'LIMIT', 0, 1)[1]
  if member and search.ladder.objectives then return best_in_fronts(search, member) end
  return member
end

-- The trial that goes on although its rung does not promote it; `choose` is nil where none goes blindly. Returns
-- trial number, record and explanation; nil when none waits in the bracket.
local function go_on_waiting(search, bracket, choose)
  local member, blind, numbers
  if choose then member, blind = draw_blind(search, choose(search, true)) end
  if not member then member, numbers = best_waiting(search, bracket) end
  if not member then return nil end
  local rung, entry = 255 - member:byte(2), member:sub(3)
  local number, size = number_of(entry), search.counts.sizes[rung_index(search, bracket, rung)]
  local trial, quota = load_trial(search, number), slots(search, bracket, rung, size)
  local rank = rank_of(search, bracket, rung, rung_prefix(bracket, rung) .. entry)
  local reason = blind and Reason.blind or Reason.going_on
  local why = { reason, bracket, rung, rank, size, quota, cutoff_key(search, bracket, rung, quota) }
  if numbers then why = { reason, unpack(numbers) } end
  end_waiting(search, number, trial)
  promote(search, trial)
  if blind then
    for k = rung + 2, blind do trial.entries[k] = '' end
    trial.origin = trial.origin - entry_of(trial.origin) + blind
    trial.rung, trial.next_length = blind, rung_length(search, bracket, blind)
  end
  return number, trial, why
end
