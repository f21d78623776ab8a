-- What all trials trained, together: `trained`, and so many times MANY. Doubles are exact to 2^53, which no single tell gets near from
-- here: what one makes of it is carried by the next.
local MANY = 1e14

local function carry_trained(x)
  local tally, times = x.tally, math.ceil(x.tally.trained / MANY) - 1
  tally.trained, tally.trained_many, x.layout = tally.trained - times * MANY, (tally.trained_many or 0) + times, 6
end
