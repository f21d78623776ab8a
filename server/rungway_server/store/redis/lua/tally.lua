#!lua flags=no-writes
-- Reads how far the experiment is.
-- KEYS   see KEYS.md
-- ARGV   1 uid
-- Returns {'tally', JSON, {rung size…} by bracket}, {'missing'} or {'stale'}
local meta = redis.call('HMGET', KEYS[1], 'uid', 'tally')
if not meta[1] then return { 'missing' } end
if meta[1] ~= ARGV[1] then return { 'stale' } end
local sizes = {}
for i = 13, #KEYS do sizes[#sizes + 1] = redis.call('ZCARD', KEYS[i]) end
return { 'tally', cjson.encode(cmsgpack.unpack(meta[2])), sizes }
