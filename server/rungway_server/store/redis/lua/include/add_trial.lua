-- Adds a trial that has done nothing yet, under the next number. What was proposed for that is used up, or not needed; where points
-- are counted, nothing is.
local function add_trial(x, b, config)
  local tally, started, number = x.tally, x.counts.started, tostring(x.tally.next_trial)
  x.trials[number] = {
    state = '', bracket = b, rung = 0, length = 0, next = 0, to = 0, fence = 0, metric = '', best_key = '', best_length = 0, points = 0,
    tail = '', request = '', print = '', verdict = '', checkpoint = '', checkpoint_length = 0, from = 0, restarts = 0, created = x.now,
    worker = '', entries = {}, log = {}, outcome = '', message = '', returns = 0, parent = false, reached = 0,
    config = config or redis.call('HGET', CONFIGS, number),
  }
  if not x.counts.points then redis.call('HDEL', CONFIGS, number) end
  tally.next_trial, started[b + 1] = tally.next_trial + 1, started[b + 1] + 1
  return number, x.trials[number]
end
