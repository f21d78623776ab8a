-- Rungs: who ranks where, and who may go up. The zone of a rung is its best quota(n) entries; READY holds those of the zone
-- whose trial waits. Every change of a rung moves its zone by one entry at most, so each step is O(log n).
local DEAD = 'ffffffffffffffff'

local function rung_key(x, b, k) return KEYS[x.plan.brackets[b + 1].first + k] end

local function rung_length(x, b, k) return x.plan.brackets[b + 1].rungs[k + 1].length end

local function is_top(x, b, k) return k + 1 == #x.plan.brackets[b + 1].rungs end

-- Sizes of all rungs of a bracket, read together before anything is written.
local function read_sizes(x, b)
  if x.sizes[b] then return end
  x.sizes[b] = {}
  for k = 0, #x.plan.brackets[b + 1].rungs - 1 do x.sizes[b][k] = redis.call('ZCARD', rung_key(x, b, k)) end
end

local function quota(x, b, k, n)
  if x.plan.form == 'stop' or is_top(x, b, k) then return 0 end
  if x.plan.rule == 'async' then return math.floor(n / x.plan.divisor) end
  local rung = x.plan.brackets[b + 1].rungs[k + 1]
  if x.plan.rule == 'population' then return n == rung.size and rung.passes or 0 end
  return math.max(0, n + rung.passes - rung.size)
end

local function entry_at(x, b, k, index)
  if index < 0 then return nil end
  return redis.call('ZRANGE', rung_key(x, b, k), index, index)[1]
end

local function cutoff_key(x, b, k, q)
  local entry = entry_at(x, b, k, q - 1)
  if not entry or entry:sub(1, 16) == DEAD then return '' end
  return entry:sub(1, 16)
end
