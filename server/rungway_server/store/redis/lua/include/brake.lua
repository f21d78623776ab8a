-- The brake: a search whose first trials all fail, with nothing ever told, pauses itself instead of failing all of them.
local function count_failure(x, message)
  local tally, most = x.tally, x.plan.pause_after or 0
  if most == 0 or tally.trained > 0 or tally.state ~= 'running' then return end
  tally.failures, x.changed = (tally.failures or 0) + 1, true
  if tally.failures < most then return end
  tally.state, tally.failing = 'paused', true
  redis.call('HSET', META, 'failing', message)
  log_event(x, 'failing', message)
end

-- Whatever state comes next, counting begins anew.
local function release_brake(x)
  if x.tally.failing then redis.call('HDEL', META, 'failing') end
  x.tally.failing, x.tally.failures = nil, nil
end
