-- What all trials trained, together: `trained`, and so many times MANY. Doubles, and Lua's texts of them, are exact no further.
--- @include "layout"
local MANY = 1e14

local function count_trained(x, length)
  local tally = x.tally
  tally.trained = tally.trained + length
  if tally.trained <= MANY then return end
  local times = math.ceil(tally.trained / MANY) - 1
  tally.trained, tally.trained_many = tally.trained - times * MANY, (tally.trained_many or 0) + times
  -- Servers of layout 5 know nothing of the second number.
  need_layout(6)
end
