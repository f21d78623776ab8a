-- Finite spaces (`counts.points`): every point is used once before any is used again, by a trial or in the queue. POINTS has the uses
-- of each, or that it is invalid: never to be used again.
local POINTS = KEYS[14]

-- All points were used: from the first place of the next pass on all are free again.
local function next_pass(x)
  local points, tally = x.counts.points, x.tally
  points.passes, points.left = points.passes + 1, points.size - points.invalid
  local first = points.passes * points.size
  for at = points.at, math.min(first, tally.proposed) - 1 do redis.call('HDEL', CONFIGS, tostring(at)) end
  points.at, tally.proposed = first, math.max(first, tally.proposed)
end

-- Uses a point. Returns whether it was free, and what was known of it.
local function use_point(x, config)
  local points, uses = x.counts.points, redis.call('HGET', POINTS, config) or '0'
  if uses == 'invalid' or tonumber(uses) > points.passes then return false, uses end
  redis.call('HSET', POINTS, config, points.passes + 1)
  points.left = points.left - 1
  if points.left == 0 then next_pass(x) end
  return true, uses
end
