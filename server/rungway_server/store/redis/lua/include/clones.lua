-- Clones (population rule): trials that start in the next rung, with checkpoint and configuration of a parent. Those in
-- counts.clones wait for a configuration of their own; then they wait in REQUEUED.
-- A parent is { number, rung where it was cloned, rank there, checkpoint, its length }.
-- Gives  add_clone, parents_of, store_clone_configs, clones_without_config, why_cloned
--- @include "call"
--- @include "trials"
--- @include "rungs"
local function add_clone(search, bracket, parent)
  local progress, number, trial = search.progress, add_trial(search, bracket, load_trial(search, parent[1]).config)
  trial.rung, trial.parent = parent[2] + 1, parent
  if search.ladder.sources then trial.origin = load_trial(search, parent[1]).origin end
  for i = 1, trial.rung do trial.entries[i] = '' end
  trial.checkpoint, trial.checkpoint_length, trial.length, trial.reached = parent[4], parent[5], parent[5], parent[5]
  set_state(search, trial, TrialState.queued)
  if not search.counts.points then progress.proposed = math.max(progress.proposed, progress.next_trial) end
  search.counts.clones = search.counts.clones or {}
  table.insert(search.counts.clones, number)
end

-- The trials that are cloned: the best that live. Where fewer live than clones are needed, they take turns.
local function parents_of(search, rung, entries, most)
  local parents = {}
  for i, entry in ipairs(entries) do
    if #parents == most then break end
    local number = number_of(entry)
    local trial = load_trial(search, number)
    if trial.state ~= TrialState.failed and trial.state ~= TrialState.stopped then
      parents[#parents + 1] = { number, rung, i - 1, trial.checkpoint, trial.checkpoint_length }
    end
  end
  return parents
end

-- An ask says which clones lack a configuration, and is called again with these (packed, by number).
local function store_clone_configs(search, packed)
  if packed == '' then return end
  local configs, waiting = cmsgpack.unpack(packed), {}
  for _, number in ipairs(search.counts.clones or {}) do
    if configs[number] then
      local trial = load_trial(search, number)
      trial.config, trial.changed = configs[number], true
      redis.call('RPUSH', REQUEUED, number)
      search.requeued = search.requeued + 1
    else
      waiting[#waiting + 1] = number
    end
  end
  search.counts.clones, search.stock_changed = waiting, true
end

-- The first 64 clones that still have the configuration of their parent, with it; nil while enough trials wait.
local function clones_without_config(search, count)
  local clones = search.counts.clones
  if not clones or #clones == 0 or search.requeued >= count then return nil end
  local found = {}
  for i = 1, math.min(#clones, 64) do found[i] = { clones[i], load_trial(search, clones[i]).config } end
  return found
end

local function why_cloned(search, trial)
  local bracket, parent, rung = trial.bracket, trial.parent, trial.parent[2]
  local at = rung_index(search, bracket, rung)
  local most = search.ladder.clones[at]
  local cutoff = cutoff_key(search, bracket, rung, most)
  return { Reason.cloned, bracket, rung, parent[3], search.counts.sizes[at], most, cutoff, parent[1] }
end
