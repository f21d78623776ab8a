-- The experiment: opened at the beginning of a call, saved at its end. In between it is `search`, a table: plan,
-- progress, trials that were read, and once a decision needs them ladder and counts.
-- Gives  open_experiment, open_ladder, is_over, packed_plan, keep_all, need_layout, mark_finished, save
--- @include "call"
--- @include "trials"
--- @include "notes"
--- @include "numbers"
-- What every call needs: the plan and the progress, without what is counted by bracket or rung.
local function open_experiment(uid, given_ms)
  local meta = redis.call('HMGET', META, 'uid', 'plan', 'tally')
  if not meta[1] then return nil, { 'missing' } end
  if meta[1] ~= uid then return nil, { 'stale' } end
  local search = { plan = cmsgpack.unpack(meta[2]), progress = cmsgpack.unpack(meta[3]), trials = {}, renewed = {} }
  search.now_ms, search.now_us = clock(given_ms)
  return search
end

-- Only a search that an earlier version began has lists.
local function without_its_lists(search)
--- @apart
--- @include "lists"
  without_lists(search)
end

-- What decisions need as well: brackets and rungs, and one read of every key that scripts write, so that a key of a
-- wrong type ends the script before its first write.
local function open_ladder(search)
  if search.ladder then return end
  local meta = redis.call('HMGET', META, 'ladder', 'counts')
  local counts = cmsgpack.unpack(meta[2])
  search.ladder, search.counts = cmsgpack.unpack(meta[1]), counts
  if counts.share or (counts.sources and counts.sources.stock) then without_its_lists(search) end
  search.live, search.requeued = redis.call('ZCARD', LEASES), redis.call('LLEN', REQUEUED)
  search.promotable, search.enqueued = redis.call('ZCARD', PROMOTABLE), redis.call('LLEN', ENQUEUED)
  redis.call('ZCARD', BEST)
  redis.call('ZCARD', RUNGS)
  redis.call('HLEN', TRIALS)
  redis.call('HLEN', CONFIGS)
  redis.call('HLEN', CURVES)
  redis.call('XLEN', EVENTS)
  redis.call('HLEN', KEYS[10])
  redis.call('HLEN', KEYS[11])
  if counts.points then redis.call('HLEN', POINTS) end
  if search.ladder.go_on then
    search.waiting = redis.call('ZLEXCOUNT', PROMOTABLE, '[\128', '+')
    search.promotable = search.promotable - search.waiting
  end
end

-- Whether the search is over: nothing is handed out and nothing ranks any more.
local function is_over(search)
  local state = search.progress.state
  return state == ExperimentState.stopped or state == ExperimentState.done
end

-- The plan that Python wrote as JSON: its parts, and the fields of META that scripts read them from.
local function packed_plan(json)
  local parts = cjson.decode(json)
  -- a sort key, which JSON can hold in hexadecimal digits only
  parts.plan.target = parts.plan.target:gsub('..', function(digits) return string.char(tonumber(digits, 16)) end)
  local ladder, own = parts.ladder, parts.ladder.sources
  if ladder.entries then ladder.entries = text_of('I2', ladder.entries) end
  if own then own.codes, own.shares = text_of('I1', own.codes), text_of('I2', own.shares) end
  return parts, cmsgpack.pack(parts.plan), cmsgpack.pack(ladder)
end

local function keep_all()
  for _, key in ipairs(KEYS) do redis.call('PERSIST', key) end
end

-- Servers of layouts before this one would misread what is written now.
local function need_layout(search, layout) search.needs_layout = math.max(search.needs_layout or 0, layout) end

-- The training of a trial ended by itself: servers of layout 5 would hand the trial out again.
local function mark_finished(search, trial)
  trial.outcome, trial.returns = Outcome.finished, 0
  need_layout(search, 6)
end

local ENDED = {
  [TrialState.completed] = true, [TrialState.stopped] = true, [TrialState.failed] = true, [TrialState.invalid] = true,
}

-- Writes everything that was changed in memory: each key once.
local function save(search)
  local leases, records = {}, {}
  for number, deadline_ms in pairs(search.renewed) do
    leases[#leases + 1], leases[#leases + 2] = deadline_ms, number
  end
  for number, trial in pairs(search.trials) do
    if trial.changed then
      records[#records + 1], records[#records + 2] = number, pack_trial(trial)
      if trial.state ~= trial.before and ENDED[trial.state] and not ENDED[trial.before] then
        add_note(search, 'ended', trial.state, trial.outcome)
      end
    end
  end
  -- Servers of an older layout refuse the experiment from here on.
  local layout = search.needs_layout
  if layout and tonumber(redis.call('HGET', META, 'schema')) < layout then
    redis.call('HSET', META, 'schema', layout)
  end
  if #leases > 0 then redis.call('ZADD', LEASES, unpack(leases)) end
  if #records > 0 then redis.call('HSET', TRIALS, unpack(records)) end
  if search.changed then search.progress.revision = search.progress.revision + 1 end
  if not search.changed and not search.stock_changed then return end
  if search.new_ladder then redis.call('HSET', META, 'ladder', cmsgpack.pack(search.ladder)) end
  if search.counts then
    redis.call('HSET', META, 'tally', cmsgpack.pack(search.progress), 'counts', cmsgpack.pack(search.counts))
  else
    redis.call('HSET', META, 'tally', cmsgpack.pack(search.progress))
  end
  -- Redis removes all keys of an ended experiment, together, `keep_ms` after its last change.
  local keep_ms = is_over(search) and search.plan.keep_ms or 0
  if keep_ms > 0 then
    for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, string.format('%.0f', keep_ms)) end
  end
end
