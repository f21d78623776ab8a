#!lua flags=no-writes
-- Reads a piece of a key by one command that reads.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 command  3 position of the key, from 1  4… arguments of the command
-- Returns {'read', what the command answers}, {'missing'} or {'stale'}
--- @include "call"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end
return { 'read', redis.call(ARGV[2], KEYS[tonumber(ARGV[3])], unpack(ARGV, 4)) }
