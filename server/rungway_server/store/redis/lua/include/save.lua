-- Writes everything that was changed in memory: each key once.
--- @include "retention"
local function save(x)
  local leases, records = {}, {}
  for number, deadline in pairs(x.renewed) do
    leases[#leases + 1], leases[#leases + 2] = deadline, number
  end
  for number, trial in pairs(x.trials) do
    if trial.changed then
      records[#records + 1], records[#records + 2] = number, pack_trial(trial)
    end
  end
  -- Servers of an older layout would misread what is written now: they refuse the experiment from here on.
  if x.layout and tonumber(redis.call('HGET', META, 'schema')) < x.layout then redis.call('HSET', META, 'schema', x.layout) end
  if #leases > 0 then redis.call('ZADD', LEASES, unpack(leases)) end
  if #records > 0 then redis.call('HSET', TRIALS, unpack(records)) end
  if x.changed then x.tally.revision = x.tally.revision + 1 end
  if not x.changed and not x.stocked then return end
  if x.counts then
    redis.call('HSET', META, 'tally', cmsgpack.pack(x.tally), 'counts', cmsgpack.pack(x.counts))
  else
    redis.call('HSET', META, 'tally', cmsgpack.pack(x.tally))
  end
  if is_over(x) and (x.plan.keep_ms or 0) > 0 then keep_for_a_while(x) end
end
