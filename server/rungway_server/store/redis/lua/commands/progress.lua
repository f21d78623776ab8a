#!lua flags=no-writes
-- Reads how far the experiment is.
-- KEYS   see KEYS.md
-- ARGV   1 uid
-- Returns {'progress', JSON, counts (JSON), {promotable trials of each rung}, error that it paused itself after or ''},
--         {'missing'} or {'stale'}
--- @include "call"
--- @include "standing"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local progress, counts, promotable, failing = standing()
return { 'progress', progress, counts, promotable, failing }
