#!lua
-- Takes results and decides what each worker does next.
-- Promise: a result counts once in each rung it has reached; a report under an old fencing number changes nothing; every result is
-- checked before any is taken.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 number of results, then for each: trial  fence  checkpoint  '1' = finished  number of reports
--        and for each report: length  sort key of the metric (8 bytes)
-- Returns {'told', revision, verdict (see include/verdict.lua) of each result…}, {'unknown_trial', number},
--         {'untold', result index} (finished, and never a result),
--         {'length', result index, report index, length before, last length allowed}, {'missing'}, {'stale'} or {'reused'}
-- Replay the same request id gets the same verdicts
--- @include "experiment"
--- @include "trial"
--- @include "no_rung"
--- @include "lease"
--- @include "request"
--- @include "verdict"
--- @include "curve"
--- @include "results"
--- @include "between"
--- @include "save"
-- What decides at rungs: made when a result is there that needs it, for most tells do not.
local function decisions()
--- @include "event"
--- @include "rung"
--- @include "ready"
--- @include "place"
--- @include "place_stop"
--- @include "settle"
--- @include "finish"
--- @include "decide_promote"
--- @include "decide_stop"
--- @include "decide"
  return take, settle
end
local x, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local request = ARGV[3]

local results, numbers = read_results(5, tonumber(ARGV[4]))
load_trials(x, numbers)
-- what a result between rungs writes
redis.call('ZCARD', LEASES)
redis.call('ZCARD', BEST)
redis.call('HLEN', CURVES)
for i, result in ipairs(results) do
  local trial = load_trial(x, result.number)
  if not trial then return { 'unknown_trial', result.number } end
  result.held = holds(trial, result.fence)
  local known, reused = answered(trial, result.held, request, result.number, result.print)
  if reused then return { 'reused' } end
  result.known = known
  if result.held and not known then
    if #result.reports == 0 and trial.points == 0 then return { 'untold', i - 1 } end
    local wrong, before = first_wrong_length(trial, result.reports)
    if wrong then return { 'length', i - 1, wrong - 1, before, trial.to } end
    if may_decide(x, trial, result) then open_ladder(x) end
  end
end

local take, settle = take_between, nil
if x.ladder then take, settle = decisions() end
local answer = { 'told', 0 }
for _, result in ipairs(results) do
  local trial = load_trial(x, result.number)
  local given = result.known
  if not given then
    if result.held then
      given = take(x, result, trial, renew(x, result.number))
      keep_verdict(x, trial, request, result.number, result.print, given)
    else
      given = verdict('superseded', no_rung('lease_lost', trial))
    end
  end
  answer[#answer + 1] = given
end
if settle then settle(x) end
save(x)
answer[2] = x.tally.revision
return answer
