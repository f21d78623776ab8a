-- Where a record names the lines of its trial's life in the event log: pairs of milliseconds since the trial was created, and the
-- count within that millisecond. Of a long life these are the first lines and the last; between them stands a pair that is no
-- line's, for its time is 0: how many are left out.
local FIRST, LAST = 2 * 32, 2 * 32

local function note_line(trial, ms, count)
  local log = trial.log
  log[#log + 1], log[#log + 2] = ms - trial.created, count
  if #log <= FIRST + 2 + LAST then return end
--- @include "lines_at"
  local kept, left_out, last = { unpack(log, 1, FIRST) }, 0, #log - LAST
  for i = FIRST + 1, last, 2 do left_out = left_out + lines_at(trial, i) end
  kept[FIRST + 1], kept[FIRST + 2] = -trial.created, left_out
  for i = last + 1, #log do kept[#kept + 1] = log[i] end
  trial.log = kept
end
