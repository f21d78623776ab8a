-- Where points are counted: the stock of configurations is in their order, `points.at` the next place in it.
--- @include "points"
-- The next point that is free.
local function next_point(x)
  local points, config = x.counts.points, nil
  repeat
    local at = tostring(points.at)
    config = redis.call('HGET', CONFIGS, at)
    redis.call('HDEL', CONFIGS, at)
    points.at = points.at + 1
  until use_point(x, config)
  return config
end

-- How many configurations the stock lacks for so many new trials, however many points must be passed over.
local function missing(x, count)
  local points, proposed = x.counts.points, x.tally.proposed
  if not points then return x.tally.next_trial + count - proposed end
  if count <= x.wanted then return 0 end
  local free = points.size - points.invalid
  local used = count - x.wanted + free - points.left -- since this pass began
  local rest = used % free
  local places = math.floor(used / free) * points.size + (rest > 0 and points.invalid + rest or 0)
  return points.passes * points.size + places - proposed
end
