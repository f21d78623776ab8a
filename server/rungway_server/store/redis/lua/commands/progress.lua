#!lua flags=no-writes
-- Reads how far the experiment is.
-- KEYS   see KEYS.md
-- ARGV   1 uid
-- Returns {'progress', JSON, counts (JSON), {promotable trials of each rung}, error that it paused itself after or ''},
--         {'missing'} or {'stale'}
--- @include "standing"
local progress, counts, promotable, failing = standing(ARGV[1])
if not progress then return counts end
return { 'progress', progress, counts, promotable, failing }
