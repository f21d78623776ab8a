#!lua flags=no-writes
-- Reads a page of the life of a trial: its lines of the event log, oldest first.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 trial number  3 how many lines come before the page  4 most items
--         item: {id, event (see include/event.lua)}, or that lines are no longer kept: {time-0, dropped, how many}
-- Returns {'events', lines before the next page or 0, item…}, {'unknown_trial', number}, {'missing'} or {'stale'}
--- @include "experiment"
--- @include "trial"
--- @include "event_lines"
--- @include "lines_at"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end
local packed = redis.call('HGET', TRIALS, ARGV[2])
if not packed then return { 'unknown_trial', ARGV[2] } end

local trial, before, room = unpack_trial(packed), tonumber(ARGV[3]), tonumber(ARGV[4])
local answer = { 'events', 0 }
local at, ms = 0, trial.created
local gone, since = 0, 0
local function drop(lines)
  if gone == 0 then since = ms end
  gone = gone + lines
end
local function say_dropped()
  if gone > 0 then answer[#answer + 1] = { string.format('%.0f-0', since), 'dropped', gone } end
  gone = 0
end

for i = 1, #trial.log, 2 do
  local lines, left_out = lines_at(trial, i)
  if not left_out then ms = trial.created + trial.log[i] end
  if at + lines > before then
    if room == 0 then
      answer[2] = at
      break
    end
    room = room - 1
    if left_out then
      drop(at + lines - math.max(at, before))
    else
      local id = string.format('%.0f-%.0f', ms, trial.log[i + 1])
      local found = redis.call('XRANGE', EVENTS, id, id)
      if #found == 0 then drop(1) else say_dropped() end
      event_lines(answer, found)
    end
  end
  at = at + lines
end
say_dropped()
return answer
