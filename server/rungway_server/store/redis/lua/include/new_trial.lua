-- New trials: the configuration is the first that a user queued, else the one proposed for the number; where points are counted, the
-- next in their order that is free.
--- @include "add_trial"
--- @include "source"
--- @include "room"
local function new_trial(x, b)
  local reason = 'new_trial'
  local config
  if x.wanted > 0 then
    config = redis.call('LPOP', QUEUE)
    x.wanted, reason = x.wanted - 1, 'enqueued'
  elseif x.counts.points then
    config = next_point(x)
  end
  local number, trial = add_trial(x, b, config)
  return number, trial, no_rung(reason, trial)
end

-- How many new trials there may be: with fewer configurations than that, an ask calls for more before it decides anything.
local function startable(x)
  local count = 0
  for b in ipairs(x.ladder.trials) do count = count + room(x, b) end
  return count
end
