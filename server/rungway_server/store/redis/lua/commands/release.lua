#!lua
-- Requeues trials at no cost (`release_trial` in include/endings.lua has the limit of that).
-- Promise: the next ask hands them out again, with their last checkpoint; every item is checked before any is released.
-- A call of many items is checked in pieces first, and then done in these.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 '1' = check only, then for each: trial  fencing token  checkpoint
--        checkpoint length
-- Returns {'told', revision, reply to each…}, {'checked'}, {'unknown_trial', number},
--         {'checkpoint_length', index, most}, {'missing'}, {'stale'} or {'reused'}; with notes:
--         include/notes.lua
-- Replay the same request id gets the same replies
--- @include "experiment"
--- @include "trials"
--- @include "checkpoints"
--- @include "leases"
--- @include "requests"
--- @include "notes"
--- @include "replies"
--- @include "endings"
local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local request = ARGV[3]

local items = {}
for at = 5, #ARGV, 4 do
  local item = { number = ARGV[at], checkpoint = ARGV[at + 2], length = tonumber(ARGV[at + 3]) }
  local trial = load_trial(search, item.number)
  if not trial then return { 'unknown_trial', item.number } end
  item.fingerprint = fingerprint_of('release', at, at + 3)
  item.held = holds(trial, ARGV[at + 1])
  local known, reused = answered(trial, item.held, request, item.number, item.fingerprint)
  if reused then return { 'reused' } end
  item.known = known
  if item.held and item.length > trial.length then return { 'checkpoint_length', #items, trial.length } end
  items[#items + 1] = item
end
if ARGV[4] == '1' then return { 'checked' } end

open_ladder(search)
local answer = { 'told', 0 }
for i, item in ipairs(items) do
  local trial, reply = load_trial(search, item.number), item.known
  if not reply and item.held then
    if item.checkpoint ~= '' then keep_checkpoint(search, item.number, trial, item.length, item.checkpoint) end
    reply = release_trial(search, item.number, trial)
    keep_reply(search, trial, request, item.number, item.fingerprint, reply)
  elseif reply then
    add_note(search, 'again', i - 1)
  end
  answer[#answer + 1] = reply or superseded(trial)
end
end_search_if_done(search)
save(search)
answer[2] = search.progress.revision
return with_notes(search, answer)
