#!lua flags=no-writes
-- Reads how far the experiment is.
-- KEYS   see KEYS.md
-- ARGV   1 uid
-- Returns {'tally', JSON, {size of each rung}, {trials of each rung that may go up}}, brackets one after the other,
--         {'missing'} or {'stale'}
local meta = redis.call('HMGET', KEYS[1], 'uid', 'tally')
if not meta[1] then return { 'missing' } end
if meta[1] ~= ARGV[1] then return { 'stale' } end
local tally, sizes, ready = cmsgpack.unpack(meta[2]), {}, {}
for b, passed in ipairs(tally.passed) do
  for k = 1, #passed do
    local prefix = string.format('[%02x%02x', b - 1, 256 - k)
    sizes[#sizes + 1] = redis.call('ZCARD', KEYS[13 + #sizes])
    ready[#ready + 1] = redis.call('ZLEXCOUNT', KEYS[6], prefix, prefix .. 'g')
  end
end
return { 'tally', cjson.encode(tally), sizes, ready }
