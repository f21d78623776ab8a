-- Four bytes as a number, from the hexadecimal digits at this place.
local function four(digits, at) return tonumber(digits:sub(at, at + 7), 16) end

-- Where the answer to a request id is kept, 96 bits of its SHA-1, and what its request said in as few bytes as that takes.
local last_id, last_field
local function field_of(id)
  if id == last_id then return last_field end
  local digits = redis.sha1hex(id)
  last_id, last_field = id, struct.pack('>I4I4I4', four(digits, 1), four(digits, 9), four(digits, 17))
  return last_field
end

local function short(print) return struct.pack('>I4I4', four(print, 1), four(print, 9)) end

-- Answers by request id, kept in two generations: bounded in time, in number and in bytes, and a repeat finds its answer.
local MOST_BYTES = 16 * 1024 * 1024

local function remember(x, id, print, answer)
  if id == '' then return end
  local tally, field, kept = x.tally, field_of(id), cmsgpack.pack({ short(print), answer })
  local young, size = KEYS[10 + tally.generation], #field + #kept
  local bytes = (tally.remembered or 0) + size
  if x.now - tally.since > x.plan.window_ms or bytes > MOST_BYTES or redis.call('HLEN', young) >= x.plan.window_count then
    tally.generation, tally.since, bytes = 1 - tally.generation, x.now, size
    young = KEYS[10 + tally.generation]
    redis.call('UNLINK', young)
  end
  redis.call('HSET', young, field, kept)
  tally.remembered, x.changed = bytes, true
end

-- The remembered answer, nil when there is none; and whether the id came with another request then.
local function recall(id, print)
  if id == '' then return nil end
  local field = field_of(id)
  local packed = redis.call('HGET', KEYS[10], field) or redis.call('HGET', KEYS[11], field)
  if not packed then return nil end
  local kept = cmsgpack.unpack(packed)
  return kept[2], kept[1] ~= short(print)
end
