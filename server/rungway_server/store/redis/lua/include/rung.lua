-- Rungs: who ranks where, and who may go up. The zone of a rung is its best quota(n) entries; READY holds those of the zone
-- whose trial waits. Every change of a rung moves its zone by one entry at most, so each step is O(log n).
--- @include "sort_key"
local function slot(x, b, k) return x.ladder.first[b + 1] + k end

local function rung_length(x, b, k) return x.ladder.lengths[slot(x, b, k)] end

local function is_top(x, b, k) return k + 1 == x.ladder.rungs[b + 1] end

local function quota(x, b, k, n)
  if x.plan.form == 'stop' or is_top(x, b, k) then return 0 end
  if x.plan.rule == 'async' then return math.floor(n / x.plan.divisor) end
  local at = slot(x, b, k)
  if x.plan.rule == 'population' then return n == x.ladder.planned[at] and x.ladder.passes[at] or 0 end
  return math.max(0, n + x.ladder.passes[at] - x.ladder.planned[at])
end

--- @include "ranks"
