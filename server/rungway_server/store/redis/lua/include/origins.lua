-- Where trials come from: `origin` of a record, and the byte before the number of its trial in each of its results, has
-- the rung at which it entered, and 32 times the number of the source of its configuration.
-- Gives  entry_of, source_of, source_in, source_index
local function entry_of(origin) return origin % 32 end

local function source_of(origin) return math.floor(origin / 32) end

-- The source of the trial of an entry of a rung.
local function source_in(entry) return source_of(entry:byte(13)) end

-- The position of a source among those of the search; nil for a user's own configuration.
local function source_index(search, code)
  return search.ladder.sources.codes:find(string.char(code), 1, true)
end
