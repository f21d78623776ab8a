#!lua
-- Pauses, resumes or stops an experiment.
-- Promise: an ended experiment never runs again.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 wanted state: paused, running or stopped
-- Returns {'state', state now}, {'refused', state}, {'missing'} or {'stale'}
-- Replay changes nothing more
--- @include "experiment"
--- @include "event"
--- @include "settle"
--- @include "trial"
--- @include "brake"
--- @include "save"
local x, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
open_ladder(x)
local tally, wanted = x.tally, ARGV[3]

if tally.state ~= wanted then
  if tally.state == 'done' or tally.state == 'stopped' then return { 'refused', tally.state } end
  tally.state = wanted
  release_brake(x)
  log_event(x, wanted)
  settle(x)
  save(x)
end
return { 'state', tally.state }
