-- Proposals of models and programs that wait for their trials, as `counts.stock` has them: how many each lane has at
-- least and until how many results all last, so that an ask for no more need not look at the lanes; then the lanes.
-- KEYS.md has the places.
-- Gives  NO_END, stock_of, in_stock, note_stock
--- @include "lanes"
local NO_END = 4294967295

-- The stock of a lane: its place, and from there the places that are used and filled, how many were drawn, the results
-- and the revision that the oldest one was proposed from, and the number of results from which on it is too old.
local function stock_of(search, lane)
  local at = 24 * lane - 15
  return at, struct.unpack('>I4I4I4I4I4I4', search.counts.stock, at)
end

-- How many proposals of a lane may be used.
local function in_stock(search, lane)
  local _, used, filled, _, _, _, lasts = stock_of(search, lane)
  return search.progress.next_entry < lasts and filled - used or 0
end

local function note_stock(search)
  local least, all_last = NO_END, NO_END
  for lane = 2, #search.ladder.sources.codes + (has_last_lane(search) and 1 or 0) do
    local _, used, filled, _, _, _, lasts = stock_of(search, lane)
    least, all_last = math.min(least, filled - used), math.min(all_last, lasts)
  end
  search.counts.stock = struct.pack('>I4I4', least, all_last) .. search.counts.stock:sub(9)
end
