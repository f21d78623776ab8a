#!lua
-- Puts trials back in line at no cost (see include/give_back.lua for the limit of that).
-- Promise: the next ask hands them out again, with their last checkpoint; every item is checked before any is taken.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id, then for each: trial  fence  checkpoint  checkpoint length
-- Returns {'told', revision, verdict of each…}, {'unknown_trial', number},
--         {'checkpoint_length', index, most}, {'missing'}, {'stale'} or {'reused'}
-- Replay the same request id gets the same verdicts
--- @include "experiment"
--- @include "trial"
--- @include "no_rung"
--- @include "event"
--- @include "rung"
--- @include "ready"
--- @include "place"
--- @include "place_stop"
--- @include "lease"
--- @include "die"
--- @include "request"
--- @include "settle"
--- @include "verdict"
--- @include "give_back"
--- @include "save"
local x, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local request = ARGV[3]

local items = {}
for at = 4, #ARGV, 4 do
  local item = { number = ARGV[at], fence = ARGV[at + 1], checkpoint = ARGV[at + 2], length = tonumber(ARGV[at + 3]) }
  local trial = load_trial(x, item.number)
  if not trial then return { 'unknown_trial', item.number } end
  item.print = fingerprint('release', at, at + 3)
  item.held = holds(trial, item.fence)
  local known, reused = answered(trial, item.held, request, item.number, item.print)
  if reused then return { 'reused' } end
  item.known = known
  if item.held and item.length > trial.length then return { 'checkpoint_length', #items, trial.length } end
  items[#items + 1] = item
end

open_ladder(x)
local answer = { 'told', 0 }
for _, item in ipairs(items) do
  local trial, given = load_trial(x, item.number), item.known
  if not given and item.held then
    if item.checkpoint ~= '' then note_progress(trial, item.length, item.checkpoint) end
    given = give_back(x, item.number, trial)
    keep_verdict(x, trial, request, item.number, item.print, given)
  end
  answer[#answer + 1] = given or verdict('superseded', no_rung('lease_lost', trial))
end
settle(x)
save(x)
answer[2] = x.tally.revision
return answer
