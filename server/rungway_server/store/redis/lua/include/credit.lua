-- Credit for the best results of a rung, of entries or of sources (`whose`). It is kept until the rung has other ones,
-- for most results come to lower rungs. A rung gains results, and loses those of invalid trials: where its size and the
-- number of these stay, so do its results. What is kept is a cache: exports leave it out.
-- Gives  LOOKED_AT, MOST_CREDIT, known_credit, keep_credit, note_learned, keep_shares
--- @include "call"
--- @include "sort_keys"
--- @include "numbers"
local LOOKED_AT, MOST_CREDIT = 128, 48

local function invalid_trials(search) return search.counts.states[TrialState.invalid] or 0 end

-- The running number of the last of the best results of a rung, whose results begin at `first`. It changes with any of
-- the best, for results of valid trials stay.
local function last_of_best(first)
  local member = redis.call('ZRANGE', RUNGS, first + LOOKED_AT - 1, first + LOOKED_AT - 1)[1]
  return struct.unpack('>I4', member, 11)
end

-- What is kept: where it was found, the size of that rung, the invalid trials then, the last of the best, and the
-- credits. `first`: nil where results are not in the order of their rank.
local function known_credit(search, whose, count, rung, size, first)
  local text, at = search.counts[whose], 17 * count + 5
  local kept_rung, kept_size, invalid, last = struct.unpack('>I1I4I4I4', text, at)
  if kept_rung ~= rung or invalid ~= invalid_trials(search) then return nil end
  if kept_size ~= size then
    local enough = math.max(LOOKED_AT, MOST_CREDIT * search.plan.divisor) -- more results make neither more of the best
    if not first or kept_size < enough or last ~= last_of_best(first) then return nil end
    search.counts[whose] = with_bytes(text, at + 1, struct.pack('>I4', size))
  end
  return numbers_at(text, at + 13, 'd', count)
end

-- The credit of each of `count`. Each of the best results (members of RUNGS) has as weight the square of the share of
-- these that it beats, and together they have `whole`. `owner(origin)`: whose it is, nil for nobody's; asked once for
-- each origin.
local function keep_credit(search, whose, rung, size, best, count, whole, owner)
  local credit, owners, weights, results = {}, {}, 0, #best
  for s = 1, count do credit[s] = 0 end
  for rank = 1, results do
    local beaten = 1 - (rank - 0.5) / results
    local weight = beaten * beaten
    local member = best[rank]
    local origin = member:byte(15)
    if owners[origin] == nil then owners[origin] = owner(origin) or false end
    local s = owners[origin]
    weights = weights + weight
    if s and not (member:byte(3) == 255 and member:sub(3, 10) == DEAD) then credit[s] = credit[s] + weight end
  end
  for s = 1, count do credit[s] = credit[s] * (whole / weights) end
  local last = best[LOOKED_AT] and struct.unpack('>I4', best[LOOKED_AT], 11) or 0
  local kept = struct.pack('>I1I4I4I4', rung, size, invalid_trials(search), last)
  local all = kept .. text_of('d', credit)
  search.counts[whose] = with_bytes(search.counts[whose], 17 * count + 5, all)
  return credit
end

-- Shares were learned from the results until now.
local function note_learned(search, whose, count)
  local learned = struct.pack('>I4', search.progress.next_entry)
  search.counts[whose] = with_bytes(search.counts[whose], 11 * count + 1, learned)
end

local function keep_shares(search, whose, share, credit)
  search.counts[whose] = with_bytes(search.counts[whose], 1, text_of('I3', credit) .. text_of('I2', share))
end
