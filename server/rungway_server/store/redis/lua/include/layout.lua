-- Gives the experiment the layout that what is written now needs: servers of an older one would misread it, and refuse it then.
local function need_layout(number)
  if tonumber(redis.call('HGET', META, 'schema')) < number then redis.call('HSET', META, 'schema', number) end
end
