#!lua
-- Adds results and decides what each worker does next.
-- Promise: a result counts once in each rung it has reached; a report under an old fencing token changes nothing; every
-- result is checked before any is added. A call of many results is checked in pieces first, and then done in these.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 request id  4 '1' = check only  5 number of results, then for each: trial
--        fencing token  checkpoint  '1' = finished  number of reports, and for each report: length  sort key of the
--        metric (8 bytes); after all of these, if any report has further metrics, these (include/further.lua), else ''
--        or nothing; in a search with objectives then how each report ranks (include/vectors.lua)
-- Returns {'told', revision, reply (see include/replies.lua) to each result…}, {'checked'},
--         {'unknown_trial', number}, {'untold', result index} (finished, and never a result),
--         {'length', result index, report index, length before, last length allowed},
--         {'names', index of the first name of a further metric that is too many},
--         {'objective', result index, report index, '1' = of the top rung} (the report lacks one), or without the last
--         two (the last report of a training that is over did)
--         {'missing'}, {'stale'} or {'reused'}; with notes: include/notes.lua
-- Replay the same request id gets the same replies
--- @include "call"
--- @include "experiment"
--- @include "trials"
--- @include "leases"
--- @include "events"
--- @include "notes"
--- @include "replies"
--- @include "reports"
-- What decides at rungs. Made when called: most tells have no result that needs it.
local function rung_decisions()
--- @include "rung_decisions"
--- @include "endings"
  return decide_result, end_search_if_done
end

-- Most tells have no further metrics, and in few searches results rank by vectors or the cost of training counts.
local function further_metrics()
--- @apart
--- @include "further"
  return open_further
end
local function take_vectors(results, packed)
--- @apart
--- @include "vectors"
  give_vectors(results, packed)
  return lacked_objective
end

local function take_costs(search, results, packed)
--- @apart
--- @include "costs"
  return open_costs(search, results, packed)
end

-- Whether a result may change more than its own trial: it reaches a rung or perhaps a target, the training or the
-- search is over, or much was trained.
local function may_decide(search, trial, result)
  local reports, trained = result.reports, search.progress.trained
  if result.finished or reports[#reports].length >= trial.next_length or search.plan.target ~= '' then return true end
  return is_over(search) or trained > MANY
end

-- A result that reaches no rung changes its own trial and nothing else.
local function add_between_rungs(search, result, trial, deadline_ms)
  for _, report in ipairs(result.reports) do add_report(search, result.number, trial, report) end
  keep_best(result.number, trial)
  if result.checkpoint ~= '' then keep_told_checkpoint(search, result, trial) end
  return go_on(trial, no_rung(Reason.between_rungs, trial), deadline_ms)
end

local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
local request = ARGV[3]

local results, numbers, after = read_results(6, tonumber(ARGV[5]))
local write_further, excess = nil, nil
if (ARGV[after] or '') ~= '' then write_further, excess = further_metrics()(search, results, ARGV[after]) end
if excess then return { 'names', excess } end
local count = write_further and search.plan.cost_aware and take_costs(search, results, ARGV[after])
local lacks = ARGV[after + 1] and take_vectors(results, ARGV[after + 1])
load_trials(search, numbers)
-- what a result between rungs writes
redis.call('ZCARD', LEASES)
redis.call('ZCARD', BEST)
redis.call('HLEN', CURVES)
for i, result in ipairs(results) do
  local trial = load_trial(search, result.number)
  if not trial then return { 'unknown_trial', result.number } end
  result.held = holds(trial, result.fencing_token)
  local known, reused = answered(trial, result.held, request, result.number, result.fingerprint)
  if reused then return { 'reused' } end
  result.known = known
  if result.held and not known then
    if #result.reports == 0 and trial.points == 0 then return { 'untold', i - 1 } end
    local wrong, before = first_wrong_length(trial, result.reports)
    if wrong then return { 'length', i - 1, wrong - 1, before, trial.to_length } end
    if may_decide(search, trial, result) then open_ladder(search) end
    local lack = search.ladder and lacks and lacks(search, trial, result)
    if lack then return { 'objective', i - 1, unpack(lack) } end
  end
end

if ARGV[4] == '1' then return { 'checked' } end

local decide, end_search = add_between_rungs, nil
if search.ladder then decide, end_search = rung_decisions() end
local answer = { 'told', 0 }
for i, result in ipairs(results) do
  local trial, reply = load_trial(search, result.number), result.known
  if not reply and result.held then
    if count then count(search, result, trial) end
    reply = decide(search, result, trial, renew(search, result.number))
    keep_reply(search, trial, request, result.number, result.fingerprint, reply)
  elseif reply then
    add_note(search, 'again', i - 1)
  end
  answer[#answer + 1] = reply or superseded(trial)
end
if end_search then end_search(search) end
if write_further then write_further() end
save(search)
answer[2] = search.progress.revision
return with_notes(search, answer)
