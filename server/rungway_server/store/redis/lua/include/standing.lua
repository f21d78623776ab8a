-- Where a search stands: its progress and its counts, as Python reads them.
-- Gives  standing
--- @include "call"
--- @include "spelled"
-- Returns progress (JSON), counts (JSON), promotable trials of each rung, and the error that it paused itself after or
-- ''.
local function standing()
  local meta = redis.call('HMGET', META, 'tally', 'counts', 'ladder', 'failing')
  local progress, promotable = cmsgpack.unpack(meta[1]), {}
  progress.trained = string.format('%.0f', progress.trained) -- more than cjson writes exactly, where layout 5 left it
  local any = redis.call('ZCARD', PROMOTABLE) > 0
  local search = { counts = cmsgpack.unpack(meta[2]), ladder = cmsgpack.unpack(meta[3]) }
  for index, rungs in ipairs(search.ladder.rungs) do
    for rung = 0, rungs - 1 do
      local prefix = '[' .. string.char(index - 1, 255 - rung)
      local last = prefix .. string.rep('\255', 17)
      promotable[#promotable + 1] = any and redis.call('ZLEXCOUNT', PROMOTABLE, prefix, last) or 0
    end
  end
  return cjson.encode(progress), cjson.encode(spelled_out(search)), promotable, meta[4] or ''
end
