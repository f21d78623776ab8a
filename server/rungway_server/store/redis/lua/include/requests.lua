-- Answers by request id, so that a repeated request gets the answer of the first. They are kept in two generations:
-- bounded in time, in number and in bytes.
-- Gives  fingerprint_of, field_of, remember, recall

local MOST_BYTES = 16 * 1024 * 1024

-- What a request says, in short: its part of ARGV.
local function fingerprint_of(kind, first, last)
  return redis.sha1hex(kind .. ' ' .. table.concat(ARGV, ' ', first, last)):sub(1, 16)
end

-- Four bytes as a number, from the hexadecimal digits at this place.
local function four_bytes(digits, at) return tonumber(digits:sub(at, at + 7), 16) end

-- The field of an id: 96 bits of its SHA-1. The last one is kept, for a script asks twice.
local last_id, last_field
local function field_of(id)
  if id == last_id then return last_field end
  local digits = redis.sha1hex(id)
  last_id, last_field = id, struct.pack('>I4I4I4', four_bytes(digits, 1), four_bytes(digits, 9), four_bytes(digits, 17))
  return last_field
end

local function packed_fingerprint(digits) return struct.pack('>I4I4', four_bytes(digits, 1), four_bytes(digits, 9)) end

local function remember(search, id, fingerprint, answer)
  if id == '' then return end
  local progress, field = search.progress, field_of(id)
  local kept = cmsgpack.pack({ packed_fingerprint(fingerprint), answer })
  local younger, added_bytes = KEYS[10 + progress.generation], #field + #kept
  local bytes, plan = (progress.remembered or 0) + added_bytes, search.plan
  local too_old = search.now_ms - progress.since > plan.window_ms
  if too_old or bytes > MOST_BYTES or redis.call('HLEN', younger) >= plan.window_count then
    progress.generation, progress.since, bytes = 1 - progress.generation, search.now_ms, added_bytes
    younger = KEYS[10 + progress.generation]
    redis.call('UNLINK', younger)
  end
  redis.call('HSET', younger, field, kept)
  progress.remembered, search.changed = bytes, true
end

-- The remembered answer, nil when there is none; and whether the id came with another request then.
local function recall(id, fingerprint)
  if id == '' then return nil end
  local field = field_of(id)
  local packed = redis.call('HGET', KEYS[10], field) or redis.call('HGET', KEYS[11], field)
  if not packed then return nil end
  local kept = cmsgpack.unpack(packed)
  return kept[2], kept[1] ~= packed_fingerprint(fingerprint)
end
