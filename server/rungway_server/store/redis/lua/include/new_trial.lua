-- New trials: the configuration is the first that a user queued, else the one proposed for the number.
--- @include "add_trial"
local function new_trial(x, b)
  local reason = 'new_trial'
  local config
  if x.wanted > 0 then
    config = redis.call('LPOP', QUEUE)
    x.wanted, reason = x.wanted - 1, 'enqueued'
  end
  local number, trial = add_trial(x, b, config)
  return number, trial, no_rung(reason, trial)
end

-- How many new trials there may be: with fewer configurations than that, an ask calls for more before it decides anything.
local function startable(x)
  local count = 0
  for b, trials in ipairs(x.ladder.trials) do count = count + trials - x.counts.started[b] end
  return count
end
