#!lua flags=allow-oom
-- Notes in the ledger of a namespace what an experiment claims, in place of an entry that was read.
-- Promise: an entry that somebody else has changed since stays as it is.
-- KEYS   1 the ledger, a hash: experiment -> entry (include/claims.lua)
-- ARGV   1 experiment  2 trials, or the whole entry to go back to ('' = none)  3 leases ('' = the whole entry)
--        4 the entry that was read ('' = none)  5 for how long nobody may have been at work on it (ms)  6 now_ms or ''
-- Returns {'replaced'} or {'moved'} (it stays)
-- Replay changes nothing more
--- @include "call"
--- @include "claims"
local name, read, now_ms = ARGV[1], ARGV[4], clock(ARGV[6])
local entry = redis.call('HGET', LEDGER, name) or ''
if entry ~= read then return { 'moved' } end
if entry ~= '' then
  local claim, noted_ms, at_work = read_claim(entry)
  if not at_work and claim[1] == tonumber(ARGV[2]) and claim[2] == tonumber(ARGV[3]) then return { 'replaced' } end
  if at_work and now_ms - noted_ms < tonumber(ARGV[5]) then return { 'moved' } end
end
if ARGV[2] == '' then
  redis.call('HDEL', LEDGER, name)
elseif ARGV[3] == '' then
  redis.call('HSET', LEDGER, name, ARGV[2])
else
  write_claim(name, tonumber(ARGV[2]), tonumber(ARGV[3]), now_ms, '0')
end
return { 'replaced' }
