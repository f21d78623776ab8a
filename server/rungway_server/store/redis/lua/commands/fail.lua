#!lua
-- Ends a trial, or puts it back in line, as its outcome says.
-- Promise: a dead trial ranks after every real result and blocks nothing; an invalid one leaves no trace in any rung.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 trial  5 fence  6 outcome  7 message
-- Returns {'told', revision, verdict}, {'unknown_trial', number}, {'missing'}, {'stale'} or {'reused'}
-- Replay the same request id gets the same verdict
--- @include "experiment"
--- @include "trial"
--- @include "no_rung"
--- @include "event"
--- @include "rung"
--- @include "ready"
--- @include "place"
--- @include "place_stop"
--- @include "displace"
--- @include "lease"
--- @include "die"
--- @include "request"
--- @include "settle"
--- @include "verdict"
--- @include "give_back"
--- @include "curve"
--- @include "outcome"
--- @include "save"
local x, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local request, number, fence, outcome, message = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local trial = load_trial(x, number)
if not trial then return { 'unknown_trial', number } end
local print, held = fingerprint('fail', 4, 7), holds(trial, fence)
local given, reused = answered(trial, held, request, number, print)
if reused then return { 'reused' } end
if not given and held then
  open_ladder(x)
  given = end_trial(x, number, trial, outcome, message)
  keep_verdict(x, trial, request, number, print, given)
  settle(x)
  save(x)
end
return { 'told', x.tally.revision, given or verdict('superseded', no_rung('lease_lost', trial)) }
