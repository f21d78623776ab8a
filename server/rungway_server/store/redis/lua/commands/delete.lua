#!lua flags=allow-oom
-- Removes all keys of an experiment, of whatever layout; their memory is freed beside the calls of others.
-- Promise: an experiment made later under the same name stays.
-- KEYS   see KEYS.md, then those that only other layouts have
-- ARGV   1 uid
-- Returns {'done'}, {'missing'} or {'stale'}
-- Replay finds nothing more
--- @include "call"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end
for i = 1, #KEYS, 1000 do redis.call('UNLINK', unpack(KEYS, i, math.min(i + 999, #KEYS))) end
return { 'done' }
