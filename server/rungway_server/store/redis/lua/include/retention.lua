-- How long an ended experiment is kept: Redis itself removes all its keys, together, that long after its last change.
local function keep_for_a_while(x)
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, string.format('%.0f', x.plan.keep_ms)) end
end

local function keep()
  for _, key in ipairs(KEYS) do redis.call('PERSIST', key) end
end
