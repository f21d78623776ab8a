-- Takes the next piece of work. Returns trial number, record and explanation; nil when there is nothing to hand out.
local function pick(x)
  if x.queued > 0 then
    local number = redis.call('LPOP', LINE)
    x.queued, x.changed = x.queued - 1, true
    local trial = load_trial(x, number)
    return number, trial, trial.fence == 0 and why_cloned(x, trial) or no_rung('requeued', trial)
  end
  local tried, b = {}, next_bracket(x, {})
  while b do
    local number, trial, why = promote(x, b)
    while number do
      why = climb(x, number, trial, why)
      if why then return number, trial, why end
      number, trial, why = promote(x, b)
    end
    if room(x, b + 1) > 0 then return new_trial(x, b) end
    tried[b] = true
    b = next_bracket(x, tried)
  end
  return nil
end

-- Stores proposals for numbers that have none yet; a gap before them means that another server knows better.
local function take_proposals(x, first, from)
  local tally = x.tally
  if not first or first > tally.proposed then return end
  for i = from + tally.proposed - first, #ARGV do
    redis.call('HSET', CONFIGS, tostring(tally.proposed), ARGV[i])
    tally.proposed, x.stocked = tally.proposed + 1, true
  end
end
