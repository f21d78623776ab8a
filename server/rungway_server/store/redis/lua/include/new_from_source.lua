-- New trials of a search with several sources of configurations.
-- Gives  new_from_source
--- @include "call"
--- @include "trials"
--- @include "shares"
--- @include "entries"
--- @include "sources"
--- @include "in_stock"
--- @include "lanes"
-- A proposed point may have been used since. In few searches points are counted.
local function is_point_free(search, config)
--- @apart
--- @include "points"
  return use_point(search, config)
end

-- Takes the next proposal of a source. Returns it and its revision; nil when there is none.
local function take_proposal(search, s, entry)
  local counts, lane, found = search.counts, lane_for(search, s, entry), nil
  local at, used, filled, _, _, revision, lasts = stock_of(search, lane)
  if search.progress.next_entry >= lasts then return nil end
  while used < filled and not found do
    local field = stock_field(lane, used)
    found, used = redis.call('HGET', CONFIGS, field), used + 1
    redis.call('HDEL', CONFIGS, field)
    if counts.points and not is_point_free(search, found) then found = nil end -- it was used since
  end
  local least = math.min(filled - used, struct.unpack('>I4', counts.stock))
  local before, after = counts.stock:sub(5, at - 1), counts.stock:sub(at + 4)
  counts.stock = struct.pack('>I4', least) .. before .. struct.pack('>I4', used) .. after
  return found, found and revision
end

-- In few searches points are counted.
local function next_free_point(search)
--- @apart
--- @include "points"
  return next_point(search)
end

-- A new trial: the configuration is the first that a user enqueued, else one of the source whose turn it is; where that
-- has none in stock, the sampler's. Returns trial number, record and explanation. That ends with a list: a text, which
-- has the source and the one whose turn it was (a byte each), the revision of the results it was proposed from (4
-- bytes, 0: of none), the codes of all sources (a byte each), and their credit, shares and what was spent before this
-- trial, as they are stored; then what was used where its cost counts.
local function new_from_source(search, bracket)
  local counts, sources, entries = search.counts, search.ladder.sources, search.ladder.entries
  local entry, count = entries and choose_entry(search) or 0, #sources.codes
  local code, turn, s, config, revision = Source.user, Source.user, nil, nil, nil
  if search.enqueued > 0 then
    config, search.enqueued = redis.call('LPOP', ENQUEUED), search.enqueued - 1
  else
    s = choose_source(search)
    turn = sources.codes:byte(s)
    if s > 1 then config, revision = take_proposal(search, s, entry) end
    code = config and turn or Source.sampler
    if not config and counts.points then config = next_free_point(search) end
  end
  local origin = struct.pack('>I1I1I4', code, turn, revision or 0)
  local more = { origin .. sources.codes .. counts.sources:sub(1, 11 * count) }
  if counts.sources_costs then rarely(search, 'used', 'sources', count, more) end
  if s and not sources.learns then rarely(search, 'trial', 'sources', count, code == turn and s or 1) end
  local number, trial = add_trial(search, bracket, config)
  trial.origin = 32 * code
  local reason = code == Source.user and Reason.enqueued or Reason.new_trial
  local why = entries and enter(search, trial, reason, entry) or { reason, trial.bracket, -1, 0, 0, 0, '' }
  why[#why + 1] = more
  return number, trial, why
end
