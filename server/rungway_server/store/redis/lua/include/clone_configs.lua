-- How clones come to configurations of their own: an ask says which it lacks, and is called again with them (packed, by number).
local function take_clones(x, given)
  if given == '' then return end
  local configs, waiting = cmsgpack.unpack(given), {}
  for _, number in ipairs(x.counts.clones or {}) do
    if configs[number] then
      local trial = load_trial(x, number)
      trial.config, trial.changed = configs[number], true
      redis.call('RPUSH', LINE, number)
      x.queued = x.queued + 1
    else
      waiting[#waiting + 1] = number
    end
  end
  x.counts.clones, x.stocked = waiting, true
end

-- The first 64 clones that still have the configuration of their parent, with it; nil while the line is long enough.
local function clones_wanted(x, count)
  local clones = x.counts.clones
  if not clones or #clones == 0 or x.queued >= count then return nil end
  local wanted = {}
  for i = 1, math.min(#clones, 64) do wanted[i] = { clones[i], load_trial(x, clones[i]).config } end
  return wanted
end

local function why_cloned(x, trial)
  local b, parent, k = trial.bracket, trial.parent, trial.parent[2]
  local most = x.ladder.clones[slot(x, b, k)]
  return { 'cloned', b, k, parent[3], x.counts.sizes[slot(x, b, k)], most, cutoff_key(x, b, k, most), parent[1] }
end
