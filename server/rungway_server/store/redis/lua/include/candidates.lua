-- Where the next piece of work may come from: lapsed leases, brackets by share, results that climb.
local function reclaim(x, most)
  for _, number in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', x.now, 'LIMIT', 0, most)) do
    restart(x, number, load_trial(x, number), 'lease lapsed')
  end
end

-- Brackets by the share of their concurrency in use, the one that stops most first among equals.
local function brackets_by_share(x)
  local order = {}
  for b = 0, #x.plan.brackets - 1 do order[#order + 1] = b end
  local live, brackets = x.tally.live, x.plan.brackets
  table.sort(order, function(a, b)
    local left, right = live[a + 1] * brackets[b + 1].share, live[b + 1] * brackets[a + 1].share
    if left ~= right then return left < right end
    return a < b
  end)
  return order
end

-- Where rungs have equal lengths a result counts in the next rung at once. Returns
-- what it rests on when there is training to do, nil when not.
local function climb(x, number, trial, why)
  local key = trial.entries[trial.rung + 1]:sub(1, 16)
  go_up(x, trial)
  while rung_length(x, trial.bracket, trial.rung) <= trial.length do
    local numbers, passes = place(x, trial.bracket, trial.rung, number, trial, key)
    if not passes then
      set_state(x, trial, is_top(x, trial.bracket, trial.rung) and 'completed' or 'paused')
      return nil
    end
    why = { 'promoted', unpack(numbers) }
    go_up(x, trial)
  end
  return why
end
