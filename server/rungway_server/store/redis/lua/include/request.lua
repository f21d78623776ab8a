-- What a request says, in short: its part of ARGV.
local function fingerprint(kind, first, last) return redis.sha1hex(kind .. ' ' .. table.concat(ARGV, ' ', first, last)):sub(1, 16) end

-- Answers by request id, kept in two generations: bounded in time and in number, and a repeat finds its answer.
local function remember(x, id, print, answer)
  if id == '' then return end
  local tally = x.tally
  local young = KEYS[10 + tally.generation]
  if x.now - tally.since > x.plan.window_ms or redis.call('HLEN', young) >= x.plan.window_count then
    tally.generation, tally.since = 1 - tally.generation, x.now
    young = KEYS[10 + tally.generation]
    redis.call('UNLINK', young)
  end
  redis.call('HSET', young, id, cmsgpack.pack({ print, answer }))
  x.changed = true
end

-- The remembered answer, nil when there is none; and whether the id came with another request then.
local function recall(id, print)
  if id == '' then return nil end
  local packed = redis.call('HGET', KEYS[10], id) or redis.call('HGET', KEYS[11], id)
  if not packed then return nil end
  local kept = cmsgpack.unpack(packed)
  return kept[2], kept[1] ~= print
end
