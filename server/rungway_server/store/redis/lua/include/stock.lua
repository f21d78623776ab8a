-- What models have to propose before new trials begin.
-- Gives  missing_proposals
--- @include "in_stock"
--- @include "lanes"
-- The lane of a source for trials that train long unjudged; nil when it has none, or no trial does that yet.
local function unjudged_lane(search, s)
  local lane = lane_for(search, s, search.ladder.rungs[1] - 1)
  return lane ~= s and has_last_lane(search) and lane or nil
end

-- What is missing before so many new trials begin (missing.lua); nil when nothing is.
local function missing_proposals(search, new, chosen)
  local codes = search.ladder.sources.codes
  local answer = { search.progress.revision, search.progress.next_entry }
  local function add(lane, s, wanted, unjudged)
    local lacking = wanted - in_stock(search, lane)
    if lacking <= 0 or codes:byte(s) == Source.external then return end
    local _, _, _, drawn = stock_of(search, lane)
    answer[#answer + 1] = { lane, codes:byte(s), drawn, lacking, unjudged }
  end
  for s = 2, #codes do
    local wanted = s == chosen and new or new - 1
    local unjudged = wanted > 0 and unjudged_lane(search, s)
    add(s, s, wanted, 0)
    if unjudged then add(unjudged, s, 1, 1) end
  end
  if not answer[3] then note_stock(search) end
  return answer[3] and answer
end
