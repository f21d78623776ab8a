-- What is counted of entries (`counts.entries`), of sources (`counts.sources`) and of what these have in stock: texts
-- of numbers. A script reads and writes a few of them, where a table of MessagePack is read and written whole. KEYS.md
-- has the places.
-- Gives  numbers_at, text_of, with_bytes, with_more, spent_in, first_numbers, own_sizes

-- Numbers of one kind: `format` is that of each.
local function numbers_at(text, at, format, count)
  local list = { struct.unpack('>' .. string.rep(format, count), text, at) }
  list[count + 1] = nil -- where the next ones begin
  return list
end

local function text_of(format, list) return struct.pack('>' .. string.rep(format, #list), unpack(list)) end

-- The text with these bytes at this place.
local function with_bytes(text, at, bytes) return text:sub(1, at - 1) .. bytes .. text:sub(at + #bytes) end

-- The text with so much more in what was spent, at this place.
local function with_more(text, at, amount)
  return text:sub(1, at - 1) .. struct.pack('>i6', struct.unpack('>i6', text, at) + amount) .. text:sub(at + 6)
end

local function spent_in(text, count) return numbers_at(text, 5 * count + 1, 'i6', count) end

-- The text of a new search: first shares, and no credit; nothing is known yet of what follows from results.
local function first_numbers(shares, count)
  local nothing_spent, nothing_kept = string.rep('\0', 6 * count + 4), string.rep('\255', 6 * count + 13)
  return string.rep('\0', 3 * count) .. shares .. nothing_spent .. nothing_kept .. string.rep('\0', 8 * count)
end

-- How many results of the sampler each rung has: behind what is in stock.
local function own_sizes(search)
  local stock, rungs = search.counts.stock, #search.counts.sizes
  return numbers_at(stock, #stock - 4 * rungs + 1, 'I4', rungs)
end
