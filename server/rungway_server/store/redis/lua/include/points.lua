-- Finite spaces (`counts.points`): a trial or an enqueued configuration uses a point, and every point is used once
-- before any is used again. POINTS has the uses of each, or that it is invalid: never to be used again. Suggestions are
-- in the order of the points, and `points.at` is the next place in that order.
-- Gives  is_free, use_point, next_point, lacking_points, invalidate_point
--- @include "call"
-- All points were used: from the first place of the next pass on all are free again.
local function next_pass(search)
  local points, progress = search.counts.points, search.progress
  points.passes, points.left = points.passes + 1, points.size - points.invalid
  local first = points.passes * points.size
  for at = points.at, math.min(first, progress.proposed) - 1 do redis.call('HDEL', CONFIGS, tostring(at)) end
  points.at, progress.proposed = first, math.max(first, progress.proposed)
end

-- Whether a point is not used in this pass.
local function is_free(search, config)
  local uses = redis.call('HGET', POINTS, config) or '0'
  return uses ~= 'invalid' and tonumber(uses) <= search.counts.points.passes
end

-- Uses a point. Returns whether it was free, and what was known of it.
local function use_point(search, config)
  local points, uses = search.counts.points, redis.call('HGET', POINTS, config) or '0'
  if uses == 'invalid' or tonumber(uses) > points.passes then return false, uses end
  redis.call('HSET', POINTS, config, points.passes + 1)
  points.left = points.left - 1
  if points.left == 0 then next_pass(search) end
  return true, uses
end

-- Uses the next point that is free. Returns its configuration.
local function next_point(search)
  local points, config = search.counts.points, nil
  repeat
    local at = tostring(points.at)
    config = redis.call('HGET', CONFIGS, at)
    redis.call('HDEL', CONFIGS, at)
    points.at = points.at + 1
  until use_point(search, config)
  return config
end

-- How many suggestions are lacking for so many new trials, however many points must be skipped.
local function lacking_points(search, count)
  if count <= search.enqueued then return 0 end
  local points = search.counts.points
  local free = points.size - points.invalid
  local used = count - search.enqueued + free - points.left -- since this pass began
  local rest = used % free
  local places = math.floor(used / free) * points.size + (rest > 0 and points.invalid + rest or 0)
  return points.passes * points.size + places - search.progress.proposed
end

-- The point of an invalid trial is never used again. A grid loses the trials that it would have had there: `samples`
-- says how many.
local function invalidate_point(search, trial)
  local points, uses = search.counts.points, redis.call('HGET', POINTS, trial.config)
  if uses == 'invalid' then -- by another trial of the same point
    points.lost = points.lost + (points.samples > 0 and 1 or 0)
    return
  end
  local enqueued = redis.call('LREM', ENQUEUED, 0, trial.config)
  redis.call('HSET', POINTS, trial.config, 'invalid')
  search.enqueued, points.invalid = search.enqueued - enqueued, points.invalid + 1
  if points.samples > 0 then points.lost = points.lost + points.samples - (uses - enqueued) + 1 end
  if tonumber(uses) > points.passes then return end
  points.left = points.left - 1
  if points.left == 0 then next_pass(search) end
end
