#!lua flags=no-writes
-- Reads how far the experiment is.
-- KEYS   see KEYS.md
-- ARGV   1 uid
-- Returns {'tally', JSON, counts (JSON), {trials of each rung that may go up}, error that it paused itself after or ''},
--         {'missing'} or {'stale'}
local meta = redis.call('HMGET', KEYS[1], 'uid', 'tally', 'counts', 'ladder', 'failing')
if not meta[1] then return { 'missing' } end
if meta[1] ~= ARGV[1] then return { 'stale' } end
local tally, ready = cmsgpack.unpack(meta[2]), {}
tally.trained = string.format('%.0f', tally.trained) -- more than cjson writes exactly, where layout 5 left it
local any = redis.call('ZCARD', KEYS[6]) > 0
for b, rungs in ipairs(cmsgpack.unpack(meta[4]).rungs) do
  for k = 1, rungs do
    local prefix = '[' .. string.char(b - 1, 256 - k)
    ready[#ready + 1] = any and redis.call('ZLEXCOUNT', KEYS[6], prefix, prefix .. string.rep('\255', 17)) or 0
  end
end
return { 'tally', cjson.encode(tally), cjson.encode(cmsgpack.unpack(meta[3])), ready, meta[5] or '' }
