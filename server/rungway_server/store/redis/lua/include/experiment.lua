-- Opens the experiment: plan, tally, and one read of every key that scripts write, so that a key of a wrong type ends the
-- script before its first write. Includes call the result x.
--- @include "clock"
local META, TRIALS, CONFIGS, LEASES, LINE, READY, BEST, CURVES, EVENTS = unpack(KEYS, 1, 9)
local QUEUE = KEYS[12]

local function open_experiment(uid, now)
  local meta = redis.call('HMGET', META, 'uid', 'plan', 'tally')
  if not meta[1] then return nil, { 'missing' } end
  if meta[1] ~= uid then return nil, { 'stale' } end
  local x = { plan = cmsgpack.unpack(meta[2]), tally = cmsgpack.unpack(meta[3]), trials = {}, sizes = {} }
  x.now, x.micros = clock(now)
  x.live, x.queued, x.ready = redis.call('ZCARD', LEASES), redis.call('LLEN', LINE), redis.call('ZCARD', READY)
  x.wanted = redis.call('LLEN', QUEUE)
  redis.call('ZCARD', BEST)
  redis.call('HLEN', TRIALS)
  redis.call('HLEN', CONFIGS)
  redis.call('HLEN', CURVES)
  redis.call('XLEN', EVENTS)
  redis.call('HLEN', KEYS[10])
  redis.call('HLEN', KEYS[11])
  return x
end

-- Whether the search is over: nothing is handed out and nothing ranks any more.
local function is_over(x) return x.tally.state == 'stopped' or x.tally.state == 'done' end

-- Writes everything that was changed in memory.
local function save_experiment(x)
  if x.changed then x.tally.revision = x.tally.revision + 1 end
  if x.changed or x.stocked then redis.call('HSET', META, 'tally', cmsgpack.pack(x.tally)) end
end
