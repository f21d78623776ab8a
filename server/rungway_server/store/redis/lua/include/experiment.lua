-- Opens the experiment. Includes call the result x.
--- @include "clock"
local META, TRIALS, CONFIGS, LEASES, LINE, READY, BEST, CURVES, EVENTS = unpack(KEYS, 1, 9)
local QUEUE, RUNGS = KEYS[12], KEYS[13]

-- What every call needs: the plan and the tally, without what is told apart by bracket or rung.
local function open_experiment(uid, now)
  local meta = redis.call('HMGET', META, 'uid', 'plan', 'tally')
  if not meta[1] then return nil, { 'missing' } end
  if meta[1] ~= uid then return nil, { 'stale' } end
  local x = { plan = cmsgpack.unpack(meta[2]), tally = cmsgpack.unpack(meta[3]), trials = {}, renewed = {} }
  x.now, x.micros = clock(now)
  return x
end

-- What decisions need as well: brackets and rungs, and one read of every key that scripts write, so that a key of a wrong
-- type ends the script before its first write.
local function open_ladder(x)
  if x.ladder then return end
  local meta = redis.call('HMGET', META, 'ladder', 'counts')
  x.ladder, x.counts = cmsgpack.unpack(meta[1]), cmsgpack.unpack(meta[2])
  x.live, x.queued, x.ready = redis.call('ZCARD', LEASES), redis.call('LLEN', LINE), redis.call('ZCARD', READY)
  x.wanted = redis.call('LLEN', QUEUE)
  redis.call('ZCARD', BEST)
  redis.call('ZCARD', RUNGS)
  redis.call('HLEN', TRIALS)
  redis.call('HLEN', CONFIGS)
  redis.call('HLEN', CURVES)
  redis.call('XLEN', EVENTS)
  redis.call('HLEN', KEYS[10])
  redis.call('HLEN', KEYS[11])
  if x.counts.points then redis.call('HLEN', KEYS[14]) end
end

-- Whether the search is over: nothing is handed out and nothing ranks any more.
local function is_over(x) return x.tally.state == 'stopped' or x.tally.state == 'done' end
