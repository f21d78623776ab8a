#!lua
-- Notes in the ledger of a namespace what an experiment may come to claim, beside what it claims already.
-- Promise: the sums of the ledger never grow beyond the limits, even when several ask at the same moment.
-- KEYS   1 the ledger, a hash: experiment -> entry (include/claims.lua)
-- ARGV   1 experiment  2 trials  3 leases  4 most experiments  5 most trials  6 most leases (0 = no limit)
--        7 now_ms or ''
-- Returns {'reserved', entry, entry before or ''} or {'full', what, most, used by others}
-- Replay changes nothing more
--- @include "call"
--- @include "claims"
local name, wanted = ARGV[1], { tonumber(ARGV[2]), tonumber(ARGV[3]) }
local most = { tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]) }

local ledger, mine, before, busy = redis.call('HGETALL', LEDGER), nil, '', false
local used = { 0, 0, 0 }
for i = 1, #ledger, 2 do
  local claim, _, at_work = read_claim(ledger[i + 1])
  if ledger[i] == name then
    mine, before, busy = claim, ledger[i + 1], at_work
  else
    used = { used[1] + 1, used[2] + claim[1], used[3] + claim[2] }
  end
end

local had = mine or { 0, 0 }
local grows = { not mine, wanted[1] > had[1], wanted[2] > had[2] }
local after = { used[1] + 1, used[2] + wanted[1], used[3] + wanted[2] }
for i, what in ipairs({ 'experiments', 'trials', 'leases' }) do
  if grows[i] and most[i] > 0 and after[i] > most[i] then return { 'full', what, most[i], used[i] } end
end
if mine and not busy and wanted[1] == had[1] and wanted[2] == had[2] then return { 'reserved', before, before } end
local entry = write_claim(name, math.max(wanted[1], had[1]), math.max(wanted[2], had[2]), clock(ARGV[7]), '1')
return { 'reserved', entry, before }
