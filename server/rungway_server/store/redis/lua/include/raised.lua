-- Dead trials that went up since this running number was given, as nothing in the log says it: they are the last of their rungs,
-- and among themselves in the order of their running numbers.
--- @include "sort_key"
local function raised(counts, ladder, since, most)
  local numbers = {}
  for b, rungs in ipairs(ladder.rungs) do
    for k = 1, rungs - 1 do
      if counts.sizes[ladder.first[b] + k] > 0 then
        local dead = string.char(b - 1, k) .. DEAD
        local first = '[' .. dead .. struct.pack('>I4', since)
        for _, member in ipairs(redis.call('ZRANGEBYLEX', KEYS[13], first, '[' .. dead .. string.rep('\255', 9), 'LIMIT', 0, most)) do
          numbers[#numbers + 1] = tostring(struct.unpack('>I4', member, 15))
        end
      end
    end
  end
  return numbers
end
