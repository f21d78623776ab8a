-- The assignments of an ask with their configurations, which never change and so need not be remembered with the answer.
local function with_configs(answer)
  for i = 5, #answer do answer[i][3] = redis.call('HGET', CONFIGS, answer[i][1]) end
  return answer
end
