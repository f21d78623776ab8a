-- Where the next piece of work may come from: lapsed leases, brackets by share, results that climb.
local function reclaim(x, most)
  local lapsed = redis.call('ZRANGEBYSCORE', LEASES, '-inf', x.now, 'LIMIT', 0, most)
  if #lapsed == 0 then return end
  local _, restart = placing()
  for _, number in ipairs(lapsed) do restart(x, number, load_trial(x, number), 'lease lapsed') end
end

-- Of the brackets not yet tried, the one with the smallest share of its concurrency in use; among equals the one that stops
-- most. nil when all were tried.
local function next_bracket(x, tried)
  local live, share, least = x.counts.live, x.ladder.share, nil
  for b = 1, #share do
    if not tried[b - 1] and (not least or live[b] * share[least] < live[least] * share[b]) then least = b end
  end
  return least and least - 1
end

-- Where rungs have equal lengths a result counts in the next rung at once. Returns
-- what it rests on when there is training to do, nil when not.
local function climb(x, number, trial, why)
  local key = trial.entries[trial.rung + 1]:sub(1, 8)
  go_up(x, trial)
  local place = trial.next <= trial.length and placing()
  while trial.next <= trial.length do
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
