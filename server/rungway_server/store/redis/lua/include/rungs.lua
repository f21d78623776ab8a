-- Rungs: how results rank, and who may be promoted. The top-k of a rung are its best entries, as many as it has slots;
-- PROMOTABLE holds those of them whose trial waits. Each change of a rung moves its top-k by one entry at most, so each
-- step is O(log n). RUNGS holds all rungs one after the other: a rank within a rung begins after the sizes of those
-- before it.
-- Gives  rung_index, rung_length, is_top, slots, rung_prefix, before_rung, rank_of, entry_at, cutoff_key, number_of,
--        add_promotable, remove_promotable, pop_promotable, promote, promoted_dead
--- @include "call"
--- @include "sort_keys"
--- @include "trials"
-- The index of a rung in lists that have one item for each rung of each bracket.
local function rung_index(search, bracket, rung) return search.ladder.first[bracket + 1] + rung end

local function rung_length(search, bracket, rung) return search.ladder.lengths[rung_index(search, bracket, rung)] end

local function is_top(search, bracket, rung) return rung + 1 == search.ladder.rungs[bracket + 1] end

-- How many may be promoted from a rung that has this many results.
local function slots(search, bracket, rung, size)
  local plan, ladder = search.plan, search.ladder
  if plan.form == DecisionForm.stop or is_top(search, bracket, rung) then return 0 end
  if plan.rule == PromotionRule.async then return math.floor(size / plan.divisor) end
  local at = rung_index(search, bracket, rung)
  if plan.rule == PromotionRule.population then return size == ladder.planned[at] and ladder.passes[at] or 0 end
  return math.max(0, size + ladder.passes[at] - ladder.planned[at])
end

local function rung_prefix(bracket, rung) return string.char(bracket, rung) end

-- How many entries the rungs before this one have.
local function before_rung(search, bracket, rung)
  local before = 0
  for at = 1, rung_index(search, bracket, rung) - 1 do before = before + search.counts.sizes[at] end
  return before
end

-- How many entries of its rung come before this, a member of RUNGS or the beginning of one.
local function rank_of(search, bracket, rung, member)
  return redis.call('ZLEXCOUNT', RUNGS, '-', '(' .. member) - before_rung(search, bracket, rung)
end

-- The entry with this rank, from 0; nil when there is none.
local function entry_at(search, bracket, rung, rank)
  if rank < 0 or rank >= search.counts.sizes[rung_index(search, bracket, rung)] then return nil end
  local at = rank + before_rung(search, bracket, rung)
  return redis.call('ZRANGE', RUNGS, at, at)[1]:sub(3)
end

-- The sort key of the last of the best `count`; '' when there is none, or a dead one.
local function cutoff_key(search, bracket, rung, count)
  local entry = entry_at(search, bracket, rung, count - 1)
  return entry and entry:sub(1, 8) ~= DEAD and entry:sub(1, 8) or ''
end

-- An entry of a search with entries has a byte more, before the number of its trial.
local function number_of(entry) return tostring(struct.unpack('>I4', entry, #entry - 3)) end

local function promotable_member(bracket, rung, entry) return string.char(bracket, 255 - rung) .. entry end

local function add_promotable(search, bracket, rung, entry)
  search.promotable = search.promotable + redis.call('ZADD', PROMOTABLE, 0, promotable_member(bracket, rung, entry))
end

local function remove_promotable(search, bracket, rung, entry)
  if not entry then return end
  search.promotable = search.promotable - redis.call('ZREM', PROMOTABLE, promotable_member(bracket, rung, entry))
end

-- In few searches trials are promoted by another rank.
local function why_else(search, bracket, rung, entry)
--- @include "protect"
--- @include "objectives"
  if search.ladder.objectives then return { Reason.promoted, unpack(listed_numbers(search, bracket, rung, entry)) } end
  return { Reason.promoted_among_own, unpack(own_numbers(search, bracket, rung, entry)) }
end

-- Removes the best promotable result of the highest rung of a bracket. Returns trial number, record and explanation;
-- nil when there is none.
local function pop_promotable(search, bracket)
  if search.promotable == 0 then return nil end
  local first, last = '[' .. string.char(bracket), '(' .. string.char(bracket + 1)
  local member = redis.call('ZRANGEBYLEX', PROMOTABLE, first, last, 'LIMIT', 0, 1)[1]
  if not member then return nil end
  local rung, entry = 255 - member:byte(2), member:sub(3)
  local number, size = number_of(entry), search.counts.sizes[rung_index(search, bracket, rung)]
  local trial, quota = load_trial(search, number), slots(search, bracket, rung, size)
  local rank = rank_of(search, bracket, rung, rung_prefix(bracket, rung) .. entry)
  local why = { Reason.promoted, bracket, rung, rank, size, quota, cutoff_key(search, bracket, rung, quota) }
  local fronts = search.ladder.objectives
  if fronts or (rank >= quota and search.ladder.sources) then why = why_else(search, bracket, rung, entry) end
  remove_promotable(search, bracket, rung, entry)
  return number, trial, why
end

-- The trial trains towards the next rung from here on.
local function promote(search, trial)
  local passed, at = search.counts.passed, rung_index(search, trial.bracket, trial.rung)
  passed[at] = passed[at] + 1
  trial.rung, trial.next_length = trial.rung + 1, search.ladder.lengths[at + 1]
  trial.changed, search.changed = true, true
end

-- Dead trials promoted since this running number was given: the log does not show these promotions. Their entries are
-- the last ones of their rungs, in the order of their running numbers.
local function promoted_dead(counts, ladder, since, most)
  local numbers = {}
  for index, rungs in ipairs(ladder.rungs) do
    for rung = 1, rungs - 1 do
      if counts.sizes[ladder.first[index] + rung] > 0 then
        local dead = '[' .. string.char(index - 1, rung) .. DEAD
        local first, last = dead .. struct.pack('>I4', since), dead .. string.rep('\255', 9)
        for _, member in ipairs(redis.call('ZRANGEBYLEX', RUNGS, first, last, 'LIMIT', 0, most)) do
          numbers[#numbers + 1] = number_of(member)
        end
      end
    end
  end
  return numbers
end
