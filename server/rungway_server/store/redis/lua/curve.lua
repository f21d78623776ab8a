#!lua flags=no-writes
-- Reads pieces of a trial's curve: what is there of them never changes.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 trial number  3 first piece  4 last piece
-- Returns {'curve', points}, {'missing'} or {'stale'}
local uid = redis.call('HGET', KEYS[1], 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local names = {}
for piece = ARGV[3], ARGV[4] do names[#names + 1] = string.format('%s.%.0f', ARGV[2], piece) end
local found = {}
for _, points in ipairs(redis.call('HMGET', KEYS[8], unpack(names))) do found[#found + 1] = points or '' end
return { 'curve', table.concat(found) }
