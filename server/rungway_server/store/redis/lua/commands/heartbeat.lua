#!lua
-- Renews leases between reports.
-- Promise: only the lease that is held now is renewed; nothing else changes, and no revision is made of it.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3… trial and fencing token of each lease
-- Returns {'beat', {decision, deadline_ms}…}, {'missing'} or {'stale'}
-- Replay renews again
--- @include "call"
--- @include "experiment"
--- @include "trials"
--- @include "leases"
local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end

local numbers = {}
for i = 3, #ARGV, 2 do numbers[#numbers + 1] = ARGV[i] end
load_trials(search, numbers)
redis.call('ZCARD', LEASES)

local answer = { 'beat' }
for i, number in ipairs(numbers) do
  local trial = search.trials[number]
  if not trial or not holds(trial, ARGV[2 * i + 2]) then
    answer[#answer + 1] = { Decision.superseded, 0 }
  elseif is_over(search) then
    answer[#answer + 1] = { Decision.stop, 0 }
  else
    answer[#answer + 1] = { Decision.continue, renew(search, number) }
  end
end
save(search)
return answer
