-- Adds a trial that has done nothing yet, under the next number.
local function add_trial(x, b)
  local tally, number = x.tally, tostring(x.tally.next_trial)
  x.trials[number] = {
    state = '', bracket = b, rung = 0, length = 0, fence = 0, from = 0, to = 0, restarts = 0, checkpoint = '', checkpoint_length = 0,
    metric = '', best_key = '', best_metric = '', best_length = 0, points = 0, entries = {}, request = '', print = '', verdict = '',
    outcome = '', message = '', worker = '', created = x.now, log = {}, returns = 0, parent = false,
  }
  tally.next_trial, tally.started[b + 1] = tally.next_trial + 1, tally.started[b + 1] + 1
  return number, x.trials[number]
end
