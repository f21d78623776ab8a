#!lua flags=no-writes
-- Reads results at rungs, by their ranks, as models learn from them.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3… ranges of ranks: bracket  rung  first rank  last rank
-- Returns {'observed', revision, results of all rungs, {results of each rung}, {dead ones of each},
--          passes through all points that are over, {members of RUNGS} of each range…}, {'missing'} or {'stale'}
--- @include "call"
--- @include "sort_keys"
--- @include "experiment"
--- @include "rungs"
local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local meta = redis.call('HMGET', META, 'ladder', 'counts')
search.ladder, search.counts = cmsgpack.unpack(meta[1]), cmsgpack.unpack(meta[2])

local dead = {}
for index, rungs in ipairs(search.ladder.rungs) do
  for rung = 0, rungs - 1 do
    local first = rung_prefix(index - 1, rung) .. DEAD
    dead[#dead + 1] = redis.call('ZLEXCOUNT', RUNGS, '[' .. first, '[' .. first .. string.rep('\255', 10))
  end
end
local counts = search.counts
local passes = counts.points and counts.points.passes or 0
local answer = { 'observed', search.progress.revision, search.progress.next_entry, counts.sizes, dead, passes }
for at = 3, #ARGV, 4 do
  local bracket, rung = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local before, size = before_rung(search, bracket, rung), counts.sizes[rung_index(search, bracket, rung)]
  local first, last = before + ARGV[at + 2], before + math.min(ARGV[at + 3], size - 1)
  answer[#answer + 1] = last >= first and redis.call('ZRANGE', RUNGS, first, last) or {}
end
return answer
