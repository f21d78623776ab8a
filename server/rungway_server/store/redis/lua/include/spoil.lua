-- The point of an invalid trial is never used again. What a grid would have run there it does not run at all: `samples` says how often.
--- @include "points"
local function spoil(x, trial)
  local points, uses = x.counts.points, redis.call('HGET', POINTS, trial.config)
  if uses == 'invalid' then -- by another trial of the same point
    points.lost = points.lost + (points.samples > 0 and 1 or 0)
    return
  end
  local queued = redis.call('LREM', QUEUE, 0, trial.config)
  redis.call('HSET', POINTS, trial.config, 'invalid')
  x.wanted, points.invalid = x.wanted - queued, points.invalid + 1
  if points.samples > 0 then points.lost = points.lost + points.samples - (uses - queued) + 1 end
  if tonumber(uses) > points.passes then return end
  points.left = points.left - 1
  if points.left == 0 then next_pass(x) end
end
