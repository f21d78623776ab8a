-- New trials that a bracket may still start.
local function room(x, b)
  local points, left = x.counts.points, x.ladder.trials[b] - x.counts.started[b]
  if not points then return left end
  return points.left == 0 and 0 or left - points.lost -- without a point left all are invalid
end
