-- Clones (population rule): trials of the next rung from the start, with checkpoint and configuration of a parent. Those in
-- counts.clones wait for a configuration of their own, then in line.
-- parent: { number, rung where it was cloned, rank there, checkpoint, its length }
--- @include "add_trial"
local function add_clone(x, b, parent)
  local tally, number, trial = x.tally, add_trial(x, b, load_trial(x, parent[1]).config)
  trial.rung, trial.parent = parent[2] + 1, parent
  for i = 1, trial.rung do trial.entries[i] = '' end
  trial.checkpoint, trial.checkpoint_length, trial.length, trial.reached = parent[4], parent[5], parent[5], parent[5]
  set_state(x, trial, 'queued')
  if not x.counts.points then tally.proposed = math.max(tally.proposed, tally.next_trial) end
  x.counts.clones = x.counts.clones or {}
  table.insert(x.counts.clones, number)
end

-- The trials that are cloned: the best that live. Where fewer do than clones are wanted, they take turns.
local function parents_of(x, k, entries, most)
  local parents = {}
  for i, entry in ipairs(entries) do
    if #parents == most then break end
    local number = number_of(entry)
    local trial = load_trial(x, number)
    if trial.state ~= 'failed' and trial.state ~= 'stopped' then
      parents[#parents + 1] = { number, k, i - 1, trial.checkpoint, trial.checkpoint_length }
    end
  end
  return parents
end

-- A rung has all its results: its zone, so far empty, takes in the best, and as many as fall out are made up for by clones.
local function end_round(x, b, k, newcomer, passes)
  local entries, wanted, first = {}, x.ladder.clones[slot(x, b, k)], before_rung(x, b, k)
  for i, member in ipairs(redis.call('ZRANGE', RUNGS, first, first + x.counts.sizes[slot(x, b, k)] - 1)) do entries[i] = member:sub(3) end
  for i = 1, passes do
    if i - 1 ~= newcomer then admit(x, b, k, entries[i]) end
  end
  local parents = parents_of(x, k, entries, wanted)
  for i = 1, #parents > 0 and not is_over(x) and wanted or 0 do add_clone(x, b, parents[(i - 1) % #parents + 1]) end
end
