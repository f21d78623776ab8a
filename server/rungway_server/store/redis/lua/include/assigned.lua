-- Answers of an ask.
-- Nothing is handed out by a paused experiment; one that paused itself says after which error.
local function paused(x)
  local tally = x.tally
  if tally.failing then return { 'wait', tally.revision, 'failing', 5000, redis.call('HGET', META, 'failing') } end
  return { 'wait', tally.revision, 'experiment_paused', 5000, '' }
end

-- The assignments of an ask with their configurations, which never change and so need not be remembered with the answer.
local function with_configs(x, answer)
  for i = 5, #answer do answer[i][3] = load_trial(x, answer[i][1]).config end
  return answer
end
