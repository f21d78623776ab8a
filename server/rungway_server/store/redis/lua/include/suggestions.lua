-- New trials: the configuration is the first that a user enqueued, else the suggestion for its number; where points are
-- counted, the next in their order that is free.
-- Gives  trials_left, startable, store_suggestions, lacking_suggestions, new_trial
--- @include "call"
--- @include "trials"
--- @include "events"
--- @include "points"
-- New trials that a bracket may still start.
local function trials_left(search, bracket)
  local points, left = search.counts.points, search.ladder.trials[bracket + 1] - search.counts.started[bracket + 1]
  if not points then return left end
  return points.left == 0 and 0 or left - points.lost -- without a point left all are invalid
end

-- New trials that all brackets may still start.
local function startable(search)
  local count = 0
  for index in ipairs(search.ladder.trials) do count = count + trials_left(search, index - 1) end
  return count
end

-- Stores suggestions for numbers that have none yet. They begin at ARGV[from], with the one for the number `first`.
-- A gap before `first` means that the caller's view is old: nothing is stored.
local function store_suggestions(search, first, from)
  local progress = search.progress
  if not first or first > progress.proposed then return end
  for i = from + progress.proposed - first, #ARGV do
    redis.call('HSET', CONFIGS, tostring(progress.proposed), ARGV[i])
    progress.proposed, search.stock_changed = progress.proposed + 1, true
  end
end

-- How many suggestions are lacking for so many new trials: an ask calls for them before it decides anything.
local function lacking_suggestions(search, count)
  if search.counts.points then return lacking_points(search, count) end
  return search.progress.next_trial + count - search.progress.proposed
end

-- Most searches have no entries.
local function enter_ladder(search, trial, reason)
--- @include "entries"
  return enter(search, trial, reason, choose_entry(search))
end

-- Few searches have sources.
local function new_from(search, bracket)
--- @apart
--- @include "new_from_source"
  return new_from_source(search, bracket)
end

-- Returns trial number, record and explanation.
local function new_trial(search, bracket)
  if search.ladder.sources then return new_from(search, bracket) end
  local reason, config = Reason.new_trial, nil
  if search.enqueued > 0 then
    config = redis.call('LPOP', ENQUEUED)
    search.enqueued, reason = search.enqueued - 1, Reason.enqueued
  elseif search.counts.points then
    config = next_point(search)
  end
  local number, trial = add_trial(search, bracket, config)
  if search.ladder.entries then return number, trial, enter_ladder(search, trial, reason) end
  return number, trial, no_rung(reason, trial)
end
