#!lua flags=no-writes
-- Reads trials.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 '1' with curves  3… trial numbers
-- Returns {'trials', {trial view (see include/view.lua)}…}, {'missing'} or {'stale'}
--- @include "experiment"
--- @include "trial"
--- @include "view"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local answer = { 'trials' }
for i = 3, #ARGV do answer[#answer + 1] = view(ARGV[i], ARGV[2] == '1') end
return answer
