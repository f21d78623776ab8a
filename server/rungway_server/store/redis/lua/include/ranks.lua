-- Ranks: RUNGS holds all rungs one after the other, so ranks within a rung begin after the sizes of those before it.
local function rung_prefix(b, k) return string.char(b, k) end

-- How many entries the rungs before this one have.
local function before_rung(x, b, k)
  local before = 0
  for at = 1, slot(x, b, k) - 1 do before = before + x.counts.sizes[at] end
  return before
end

-- How many entries of its rung come before this, a member of RUNGS or the beginning of one.
local function rank_of(x, b, k, member) return redis.call('ZLEXCOUNT', RUNGS, '-', '(' .. member) - before_rung(x, b, k) end

local function entry_at(x, b, k, index)
  if index < 0 or index >= x.counts.sizes[slot(x, b, k)] then return nil end
  index = index + before_rung(x, b, k)
  return redis.call('ZRANGE', RUNGS, index, index)[1]:sub(3)
end

local function cutoff_key(x, b, k, q)
  local entry = entry_at(x, b, k, q - 1)
  return entry and entry:sub(1, 8) ~= DEAD and entry:sub(1, 8) or ''
end

local function number_of(entry) return tostring(struct.unpack('>I4', entry, 13)) end
