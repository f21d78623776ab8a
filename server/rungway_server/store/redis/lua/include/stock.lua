-- What models and programs have proposed for trials to come: CONFIGS has it by lane and place, as '2:17'. A lane is the
-- position of a source, or the one after the last for the forest's proposals that train long unjudged. Of each lane
-- `counts.sources.stock` has the places `used` and `filled`, how many proposals were `drawn` for these, and from how
-- many results (`made`) and at which `revision` the oldest one in stock was.
-- Gives  stock_field, is_stale, missing_proposals, new_from_source
--- @include "call"
--- @include "trials"
--- @include "points"
--- @include "budget"
--- @include "entries"
--- @include "sources"
--- @include "used"
local function stock_field(lane, place) return string.format('%d:%.0f', lane, place) end

-- Whether the results have grown too much since the stock was proposed: by 15 %, at least by 4.
local function is_stale(search, lane)
  if search.ladder.sources.codes[lane] == Source.external then return false end
  local made = search.counts.sources.stock[lane].made
  return search.progress.next_entry - made >= math.max(4, math.floor(0.15 * made))
end

-- How many proposals of a lane may be used.
local function in_stock(search, lane)
  local stock = search.counts.sources.stock[lane]
  return is_stale(search, lane) and 0 or stock.filled - stock.used
end

-- The lane for a trial of this source that enters at this rung.
local function lane_for(search, s, entry)
  local entries, codes = search.ladder.entries, search.ladder.sources.codes
  local unjudged = entries and #entries > 2 and entry >= #entries - 2
  return unjudged and codes[s] == Source.forest and #codes + 1 or s
end

-- The source of the next new trial. Nothing is changed.
local function next_source(search)
  local own = search.counts.sources
  local share, credit, learned, base = own.share, own.credit, own.learned, own.base
  local chosen = choose_source(search)
  own.share, own.credit, own.learned, own.base = share, credit, learned, base
  return chosen
end

-- What models have to propose before so many new trials begin: {revision, results, {lane, source, number of
-- its next proposal, how many are lacking, 1 = trains long unjudged}…}; nil when nothing is lacking.
local function missing_proposals(search, new)
  local codes, cap = search.ladder.sources.codes, search.plan.cap
  if cap > 0 then new = math.min(new, cap - search.live) end
  if new <= 0 or out_of_budget(search) or not can_propose(search) then return nil end
  local answer = { search.progress.revision, search.progress.next_entry }
  local function add(lane, s, wanted, unjudged)
    local lacking = wanted - in_stock(search, lane)
    if lacking <= 0 or codes[s] == Source.external then return end
    answer[#answer + 1] = { lane, codes[s], search.counts.sources.stock[lane].drawn, lacking, unjudged }
  end
  local chosen = next_source(search)
  for s = 2, #codes do
    local wanted = s == chosen and new or new - 1
    add(s, s, wanted, 0)
    if wanted > 0 and codes[s] == Source.forest and search.counts.opened then
      local lane = lane_for(search, s, #search.ladder.entries - 1)
      if lane ~= s then add(lane, s, 1, 1) end
    end
  end
  return answer[3] and answer
end

-- Takes the next proposal of a source. Returns it and its revision; nil when there is none.
local function take_proposal(search, s, entry)
  local lane = lane_for(search, s, entry)
  local stock = search.counts.sources.stock[lane]
  if is_stale(search, lane) then return nil end
  while stock.used < stock.filled do
    local field = stock_field(lane, stock.used)
    local config = redis.call('HGET', CONFIGS, field)
    redis.call('HDEL', CONFIGS, field)
    stock.used = stock.used + 1
    if not search.counts.points or use_point(search, config) then return config, stock.revision end
  end
end

-- A new trial: the configuration is the first that a user enqueued, else one of the source whose turn it is; where that
-- has none in stock, the sampler's. Returns trial number, record and explanation. That ends with a list: the source,
-- the one whose turn it was, the revision of the results it was proposed from (0: of none), how many sources there are,
-- and of each the number, share, what was spent on it before this trial, and credit; what was used where its cost
-- counts.
local function new_from_source(search, bracket)
  local own, sources = search.counts.sources, search.ladder.sources
  local entry = search.ladder.entries and choose_entry(search) or 0
  local code, turn, s, config, revision = Source.user, Source.user, nil, nil, nil
  if search.enqueued > 0 then
    config, search.enqueued = redis.call('LPOP', ENQUEUED), search.enqueued - 1
  else
    s = choose_source(search)
    turn = sources.codes[s]
    if s > 1 then config, revision = take_proposal(search, s, entry) end
    code = config and turn or Source.sampler
    if not config and search.counts.points then config = next_point(search) end
  end
  local more = { code, turn, revision or 0, #sources.codes }
  for _, list in ipairs({ sources.codes, own.share, own.spent, own.credit }) do
    for i = 1, #sources.codes do more[#more + 1] = list[i] end
  end
  if own.costs then more[#more + 1] = used_text(own) end
  if s and not sources.learns then
    local at = code == turn and s or 1
    own.spent[at] = own.spent[at] + 1
  end
  local number, trial = add_trial(search, bracket, config)
  trial.origin = 32 * code
  local reason = code == Source.user and Reason.enqueued or Reason.new_trial
  local why = search.ladder.entries and enter(search, trial, reason) or { reason, trial.bracket, -1, 0, 0, 0, '' }
  why[#why + 1] = more
  return number, trial, why
end
