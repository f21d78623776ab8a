-- Sort keys of metrics, as they were told. A dead trial has that of NaN, which is after every real result. -0 ranks as 0.
local DEAD = string.rep('\255', 8)
local MINUS_ZERO, ZERO = '\127' .. string.rep('\255', 7), '\128' .. string.rep('\0', 7)

local function ranked(key) return key == MINUS_ZERO and ZERO or key end
