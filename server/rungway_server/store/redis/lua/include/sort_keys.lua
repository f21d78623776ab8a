-- Sort keys: a metric as 8 bytes, of which the smaller ones rank first.
-- Gives  DEAD, ranked

-- A dead trial has the sort key of NaN, which is after every real result.
local DEAD = string.rep('\255', 8)
local MINUS_ZERO, ZERO = '\127' .. string.rep('\255', 7), '\128' .. string.rep('\0', 7)

-- The sort key that counts in a rank: -0 ranks as 0.
local function ranked(key) return key == MINUS_ZERO and ZERO or key end
