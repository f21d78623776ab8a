-- A second way up for trials of the sampler, where models propose, too (`ladder.sources.protects`): by their rank among
-- those of the sampler, as if no model had proposed. So models that the lower rungs mislead cannot shut them out of the
-- upper ones. RUNGS has the results of these trials a second time, behind all rungs: bracket + 128 (1 byte), rung
-- (1 byte), entry; `own_sizes` are how many there are in each rung.
-- Gives  own_entry, change_own, stays_up, has_room, own_numbers
--- @include "call"
--- @include "sort_keys"
--- @include "origins"
--- @include "rungs"
--- @include "numbers"
local function own_prefix(bracket, rung) return string.char(bracket + 128, rung) end

-- How many results of RUNGS are before those of this rung's own.
local function before_own(search, bracket, rung)
  local before = 0
  for _, size in ipairs(search.counts.sizes) do before = before + size end
  local sizes = own_sizes(search)
  for at = 1, rung_index(search, bracket, rung) - 1 do before = before + sizes[at] end
  return before
end

local function own_slots(search, bracket, rung)
  return slots(search, bracket, rung, own_sizes(search)[rung_index(search, bracket, rung)])
end

local function own_rank(search, bracket, rung, entry)
  local members = redis.call('ZLEXCOUNT', RUNGS, '-', '(' .. own_prefix(bracket, rung) .. entry)
  return members - before_own(search, bracket, rung)
end

-- The entry with this rank among the own ones, from 0; nil when there is none.
local function own_entry(search, bracket, rung, rank)
  if rank < 0 or rank >= own_sizes(search)[rung_index(search, bracket, rung)] then return nil end
  local at = rank + before_own(search, bracket, rung)
  return redis.call('ZRANGE', RUNGS, at, at)[1]:sub(3)
end

-- Adds an entry ('ZADD') or removes it ('ZREM') after that was done to the whole rung. Returns its rank among the own
-- ones, and their slots before and after; nil for an entry of another source.
local function change_own(search, bracket, rung, entry, command)
  if source_in(entry) ~= Source.sampler then return nil end
  local at = rung_index(search, bracket, rung)
  local rank, before = own_rank(search, bracket, rung, entry), own_slots(search, bracket, rung)
  local member = own_prefix(bracket, rung) .. entry
  if command == 'ZADD' then redis.call('ZADD', RUNGS, 0, member) else redis.call('ZREM', RUNGS, member) end
  local stock, size = search.counts.stock, own_sizes(search)[at] + (command == 'ZADD' and 1 or -1)
  search.counts.stock = with_bytes(stock, #stock - 4 * (#search.counts.sizes - at) - 3, struct.pack('>I4', size))
  return rank, before, own_slots(search, bracket, rung)
end

-- Whether an entry is in the top-k of its rung, or in that of the own ones.
local function stays_up(search, bracket, rung, entry)
  local size = search.counts.sizes[rung_index(search, bracket, rung)]
  local rank = rank_of(search, bracket, rung, rung_prefix(bracket, rung) .. entry)
  if rank < slots(search, bracket, rung, size) then return true end
  return source_in(entry) == Source.sampler
    and own_rank(search, bracket, rung, entry) < own_slots(search, bracket, rung)
end

-- Whether a rung has promoted fewer than are in its top-k and in that of the own ones, each counted once. Results come
-- in any order, so some were promoted that better ones have overtaken since: these count here, too.
local function has_room(search, bracket, rung)
  local at = rung_index(search, bracket, rung)
  local passed, quota = search.counts.passed[at], slots(search, bracket, rung, search.counts.sizes[at])
  if passed < quota then return true end
  local last, in_both = entry_at(search, bracket, rung, quota - 1), 0
  if last then
    in_both = own_rank(search, bracket, rung, last) + (source_in(last) == Source.sampler and 1 or 0)
  end
  return passed < quota + math.max(0, own_slots(search, bracket, rung) - in_both)
end

-- The numbers of a promotion by the rank among the own ones.
local function own_numbers(search, bracket, rung, entry)
  local quota = own_slots(search, bracket, rung)
  local last = own_entry(search, bracket, rung, quota - 1)
  local cutoff = last and last:sub(1, 8) ~= DEAD and last:sub(1, 8) or ''
  local size = own_sizes(search)[rung_index(search, bracket, rung)]
  return { bracket, rung, own_rank(search, bracket, rung, entry), size, quota, cutoff }
end
