-- The time of Redis in ms and in microseconds, unless a test gives another.
local function clock(given)
  if given ~= '' then return tonumber(given), given * 1000 end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000), time[1] * 1000000 + time[2]
end
