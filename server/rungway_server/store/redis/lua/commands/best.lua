#!lua flags=no-writes
-- Reads which trials have the best metric, best first.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 how many
-- Returns {'best', trial number…}, {'missing'} or {'stale'}
--- @include "call"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local answer = { 'best' }
for _, member in ipairs(redis.call('ZRANGE', BEST, 0, ARGV[2] - 1)) do
  answer[#answer + 1] = struct.unpack('>I4', member, 9)
end
return answer
