#!lua
-- Enqueues a user's own configuration: the next new trial uses it. Of one in part, the other values are drawn by the
-- number of the trial that will use it: this script says the number, and the caller brings what it drew.
-- Promise: never more enqueued than there are new trials left; no point of a finite space before all others were used.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 configuration, whole or the part that is given
--        only for a part: 5 the number that was drawn for, or ''  6 … whole configurations to choose from
-- Returns {'queued', how many wait in front of it, the configuration if it was drawn}, {'draw', number}, {'full'},
--         {'used', how often or that it is invalid, points left}, {'refused', state}, {'missing'}, {'stale'} or
--         {'reused'}
-- Replay the same request id gets the same answer
--- @include "call"
--- @include "experiment"
--- @include "requests"
--- @include "points"
--- @include "suggestions"
local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local request, config, fingerprint = ARGV[3], ARGV[4], fingerprint_of('enqueue', 4, 4)
local known, reused = recall(request, fingerprint)
if reused then return { 'reused' } end
if known then return known end
open_ladder(search)
if is_over(search) then return { 'refused', search.progress.state } end
if startable(search) <= search.enqueued then return { 'full' } end

if ARGV[5] then
  local number = string.format('%.0f', search.progress.next_trial + search.enqueued)
  if ARGV[5] ~= number then return { 'draw', number } end
  config = ARGV[6]
end
if search.counts.points then
  local free, uses = use_point(search, config)
  for at = 7, #ARGV do
    if free then break end
    config = ARGV[at]
    free, uses = use_point(search, config)
  end
  if not free then return { 'used', uses, search.counts.points.left } end
end

local answer = { 'queued', search.enqueued, ARGV[5] and config or nil }
redis.call('RPUSH', ENQUEUED, config)
remember(search, request, fingerprint, answer)
search.changed = true
save(search)
return answer
