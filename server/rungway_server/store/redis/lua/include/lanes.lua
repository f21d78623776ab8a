-- Lanes of proposals: a lane is the position of a source, or the one after the last for the forest's proposals that
-- train long unjudged. CONFIGS has proposals by lane and place, as '2:17'.
-- Gives  stock_field, lane_for, has_last_lane
local function stock_field(lane, place) return string.format('%d:%.0f', lane, place) end

-- The lane for a trial of this source that enters at this rung.
local function lane_for(search, s, entry)
  local top, codes = search.ladder.rungs[1], search.ladder.sources.codes
  local unjudged = search.ladder.entries and top > 2 and entry >= top - 2
  return unjudged and codes:byte(s) == Source.forest and #codes + 1 or s
end

-- Whether trials of a forest may train long unjudged.
local function has_last_lane(search)
  local entries, top = search.counts.entries, search.ladder.rungs[1]
  if not entries or top < 3 or struct.unpack('>i6', entries, 11 * top + 5) < 0 then return false end
  return search.ladder.sources.codes:find(string.char(Source.forest), 1, true) ~= nil
end
