#!lua
-- Renews leases between reports.
-- Promise: only the lease that is held now is renewed; nothing else changes, and no revision is made of it.
-- KEYS   see KEYS.md (rungs are not needed)
-- ARGV   1 uid  2 now_ms or ''  3… trial and fence of each lease
-- Returns {'beat', {decision, deadline_ms}…}, {'missing'} or {'stale'}
-- Replay renews again
--- @include "experiment"
--- @include "trial"
--- @include "lease"
local x, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end

local answer = { 'beat' }
for i = 3, #ARGV, 2 do
  local trial = load_trial(x, ARGV[i])
  if not trial or not holds(trial, ARGV[i + 1]) then
    answer[#answer + 1] = { 'superseded', 0 }
  elseif is_over(x) then
    answer[#answer + 1] = { 'stop', 0 }
  else
    answer[#answer + 1] = { 'continue', renew(x, ARGV[i]) }
  end
end
return answer
