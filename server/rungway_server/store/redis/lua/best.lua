#!lua flags=no-writes
-- Reads the trials with the best metric, best first.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 how many
-- Returns {'trials', {trial view (see include/view.lua)}…}, {'missing'} or {'stale'}
--- @include "experiment"
--- @include "trial"
--- @include "view"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local answer = { 'trials' }
for _, member in ipairs(redis.call('ZRANGE', BEST, 0, ARGV[2] - 1)) do
  answer[#answer + 1] = view(tostring(struct.unpack('>I4', member, 9)), false)
end
return answer
