#!lua flags=allow-oom
-- Removes a deleted experiment from the list of its namespace.
-- Promise: an experiment made later under the same name stays.
-- KEYS   1 list of the namespace's experiments (zset: id → time of creation)
-- ARGV   1 experiment id  2 its time of creation (ms), as the list has it
-- Returns {'done'}
-- Replay changes nothing more
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('ZREM', KEYS[1], ARGV[1]) end
return { 'done' }
