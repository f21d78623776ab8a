#!lua flags=no-writes
-- Reads a page of the life of a trial: its lines of the event log, oldest first.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 trial number  3 how many lines come before the page  4 most items
--         item: {id, event (see include/events.lua)}, or that lines are no longer kept: {time-0, dropped, how many}
-- Returns {'events', lines before the next page or 0, item…}, {'unknown_trial', number}, {'missing'} or {'stale'}
--- @include "call"
--- @include "trials"
--- @include "events"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end
local packed = redis.call('HGET', TRIALS, ARGV[2])
if not packed then return { 'unknown_trial', ARGV[2] } end

local trial, before, items_left = unpack_trial(packed), tonumber(ARGV[3]), tonumber(ARGV[4])
local answer, at, time_ms = { 'events', 0 }, 0, trial.created
local dropped, dropped_ms = 0, 0
local function drop(lines)
  if dropped == 0 then dropped_ms = time_ms end
  dropped = dropped + lines
end
local function say_dropped()
  if dropped > 0 then answer[#answer + 1] = { string.format('%.0f-0', dropped_ms), 'dropped', dropped } end
  dropped = 0
end

for i = 1, #trial.log, 2 do
  local lines, left_out = lines_at(trial, i)
  if not left_out then time_ms = trial.created + trial.log[i] end
  if at + lines > before then
    if items_left == 0 then
      answer[2] = at
      break
    end
    items_left = items_left - 1
    if left_out then
      drop(at + lines - math.max(at, before))
    else
      local id = string.format('%.0f-%.0f', time_ms, trial.log[i + 1])
      local found = redis.call('XRANGE', EVENTS, id, id)
      if #found == 0 then drop(1) else say_dropped() end
      event_lines(answer, found)
    end
  end
  at = at + lines
end
say_dropped()
return answer
