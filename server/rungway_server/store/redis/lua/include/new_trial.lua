-- New trials: the configuration is the first that a user queued, else the one proposed for the number.
local function new_trial(x, b)
  local tally, number = x.tally, tostring(x.tally.next_trial)
  x.trials[number] = {
    state = '', bracket = b, rung = 0, length = 0, fence = 0, from = 0, to = 0, restarts = 0, checkpoint = '', checkpoint_length = 0,
    metric = '', best_key = '', best_metric = '', best_length = 0, points = 0, entries = {}, request = '', print = '', verdict = '',
    outcome = '', message = '', worker = '', created = x.now, log = {},
  }
  tally.next_trial, tally.started[b + 1] = tally.next_trial + 1, tally.started[b + 1] + 1
  local reason = 'new_trial'
  if x.wanted > 0 then
    redis.call('HSET', CONFIGS, number, redis.call('LPOP', QUEUE))
    x.wanted, reason = x.wanted - 1, 'enqueued'
  end
  return number, x.trials[number], no_rung(reason, x.trials[number])
end

-- How many new trials there may be: with fewer configurations than that, an ask calls for more before it decides anything.
local function startable(x)
  local count = 0
  for b, bracket in ipairs(x.plan.brackets) do count = count + bracket.trials - x.tally.started[b] end
  return count
end
