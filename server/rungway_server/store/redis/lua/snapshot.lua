#!lua flags=no-writes
-- Reads everything stored of an experiment, as of one moment.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 most items
-- Returns {'snapshot', what each key holds…} (hashes, and leases with their deadlines, as flat lists), {'too_large', items},
--         {'missing'} or {'stale'}
local META, TRIALS, CONFIGS, LEASES, LINE, READY, BEST, CURVES, EVENTS, YOUNG, OLD, QUEUE, RUNGS, POINTS = unpack(KEYS)
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end
local items = redis.call('HLEN', TRIALS) + redis.call('HLEN', CONFIGS) + redis.call('HLEN', CURVES) + redis.call('XLEN', EVENTS)
  + (POINTS and redis.call('HLEN', POINTS) or 0)
if items > tonumber(ARGV[2]) then return { 'too_large', items } end

local answer = { 'snapshot', redis.call('HGETALL', META), redis.call('HGETALL', TRIALS), redis.call('HGETALL', CONFIGS),
  redis.call('ZRANGE', LEASES, 0, -1, 'WITHSCORES'), redis.call('LRANGE', LINE, 0, -1), redis.call('ZRANGE', READY, 0, -1),
  redis.call('ZRANGE', BEST, 0, -1), redis.call('HGETALL', CURVES), redis.call('XRANGE', EVENTS, '-', '+'),
  redis.call('HGETALL', YOUNG), redis.call('HGETALL', OLD), redis.call('LRANGE', QUEUE, 0, -1), redis.call('ZRANGE', RUNGS, 0, -1),
  POINTS and redis.call('HGETALL', POINTS) or {},
}
return answer
