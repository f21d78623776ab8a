#!lua
-- Pauses, resumes or stops an experiment.
-- Promise: an ended experiment never runs again.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 wanted state: paused, running or stopped
-- Returns {'state', state now}, {'refused', state}, {'missing'} or {'stale'}
-- Replay changes nothing more
--- @include "experiment"
--- @include "events"
--- @include "endings"
local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
open_ladder(search)
local progress, wanted = search.progress, ARGV[3]

if progress.state ~= wanted then
  if is_over(search) then return { 'refused', progress.state } end
  progress.state = wanted
  release_brake(search)
  log_event(search, wanted)
  end_search_if_done(search)
  save(search)
end
return { 'state', progress.state }
