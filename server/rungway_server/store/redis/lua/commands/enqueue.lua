#!lua
-- Puts a user's own configuration in the queue: the next new trial takes it.
-- Promise: never more queued than there are new trials left; no point of a finite space before all others were used.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 configuration
-- Returns {'queued', how many wait in front of it}, {'full'}, {'used', how often or that it is invalid, points left},
--         {'refused', state}, {'missing'}, {'stale'} or {'reused'}
-- Replay the same request id gets the same answer
--- @include "experiment"
--- @include "trial"
--- @include "no_rung"
--- @include "request"
--- @include "remember"
--- @include "new_trial"
--- @include "save"
local x, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local print = fingerprint('enqueue', 4, 4)
local known, reused = recall(ARGV[3], print)
if reused then return { 'reused' } end
if known then return known end
open_ladder(x)
if is_over(x) then return { 'refused', x.tally.state } end
if startable(x) <= x.wanted then return { 'full' } end

if x.counts.points then
  local free, uses = use_point(x, ARGV[4])
  if not free then return { 'used', uses, x.counts.points.left } end
end

local answer = { 'queued', x.wanted }
redis.call('RPUSH', QUEUE, ARGV[4])
remember(x, ARGV[3], print, answer)
x.changed = true
save(x)
return answer
