-- What a call is given: the keys of its experiment (KEYS.md has their content), and the time.
-- Gives  META, TRIALS, CONFIGS, LEASES, REQUEUED, PROMOTABLE, BEST, CURVES, EVENTS, ENQUEUED, RUNGS, POINTS, clock

local META = KEYS[1]
local TRIALS = KEYS[2]
local CONFIGS = KEYS[3]
local LEASES = KEYS[4]
local REQUEUED = KEYS[5]
local PROMOTABLE = KEYS[6]
local BEST = KEYS[7]
local CURVES = KEYS[8]
local EVENTS = KEYS[9]
local ENQUEUED = KEYS[12]
local RUNGS = KEYS[13]
local POINTS = KEYS[14]

-- The time of Redis in ms and in microseconds, unless a test gives another.
local function clock(given_ms)
  if given_ms ~= '' then return tonumber(given_ms), given_ms * 1000 end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000), time[1] * 1000000 + time[2]
end
