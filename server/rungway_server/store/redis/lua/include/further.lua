-- Further metrics of reports: named values beside the curve, which rank nowhere. The cost of a report is the one whose
-- name is empty. A row has those of one report: its place in the curve (add_row), its shape, and the values, 8 bytes
-- each. META has the names, and the shapes: the numbers of a row's names, a byte each. So a row tells its names in one
-- byte; with 255 shapes known, another one is in the row itself, after '\255' and how many names it has.
-- Gives  open_further
--- @include "call"
--- @include "experiment"
local MOST_SHAPES = 255

-- The number of each name that a call gives; those that are new come after the others. Nil and the index of the first
-- name that is too many.
local function numbered(names, given)
  local numbers, bytes = {}, {}
  for i, name in ipairs(names) do numbers[name] = i - 1 end
  for i, name in ipairs(given) do
    if not numbers[name] then
      if #names == Size.most_further then return nil, i - 1 end
      numbers[name] = #names
      names[#names + 1] = name
    end
    bytes[i] = string.char(numbers[name])
  end
  return bytes
end

-- What rows of each shape begin with; `given` has the places of its names among those of the call.
local function heads_of(shapes, given, bytes)
  local numbers, heads = {}, {}
  for i, shape in ipairs(shapes) do numbers[shape] = i - 1 end
  for i, places in ipairs(given) do
    local names = {}
    for j, place in ipairs(places) do names[j] = bytes[place + 1] end
    local shape = table.concat(names)
    if not numbers[shape] and #shapes < MOST_SHAPES then
      numbers[shape] = #shapes
      shapes[#shapes + 1] = shape
    end
    heads[i] = numbers[shape] and string.char(numbers[shape]) or '\255' .. string.char(#shape) .. shape
  end
  return heads
end

-- A piece that rows are added to; `stored` is the last one of a trial, nil when it has none. A piece begins with its
-- number (4 bytes) and the place in the curve of its first row (4 bytes).
local function opened(stored)
  if not stored then return nil end
  local number, first = struct.unpack('>I4I4', stored)
  return { number = number, first = first, size = #stored, parts = { stored } }
end

-- Adds a row, which begins with its distance from the first: a byte or, where that is too little, '\255' and its place.
-- Returns its piece, and the one before where that has become full.
local function add_row(piece, place, row)
  local full = nil
  if piece and piece.size + #row + 5 > Size.further_piece_bytes then full, piece = piece, nil end
  if not piece then
    local number = full and full.number + 1 or 0
    piece = { number = number, first = place, size = 8, parts = { struct.pack('>I4I4', number, place) } }
  end
  local distance, parts = place - piece.first, piece.parts
  local begin = distance < 255 and string.char(distance) or '\255' .. struct.pack('>I4', place)
  parts[#parts + 1], parts[#parts + 2] = begin, row
  piece.size = piece.size + #begin + #row
  return piece, full
end

-- Gives each report of a tell its row, and each result with rows a fingerprint that tells them. `given` has names,
-- what rows of each shape begin with, and rows: index of the result, of the report, of the shape, values. Returns the
-- last piece of each trial with rows.
local function give_rows(results, given, heads)
  local names, said, fields, last = {}, {}, {}, {}
  for i, places in ipairs(given[2]) do
    local words = {}
    for j, place in ipairs(places) do words[j] = given[1][place + 1] end
    names[i] = table.concat(words, '\0')
  end
  local rows = given[3]
  for i = 1, #rows, 4 do
    local result, report, shape, values = results[rows[i] + 1], rows[i + 1], rows[i + 2] + 1, rows[i + 3]
    local words = said[result]
    if not words then
      words, fields[#fields + 1] = { result.fingerprint }, 'm' .. result.number
      said[result] = words
    end
    words[#words + 1], words[#words + 2], words[#words + 3] = report, names[shape], values
    result.reports[report + 1].further = heads[shape] .. values
  end
  for result, words in pairs(said) do result.fingerprint = redis.sha1hex(table.concat(words, '\0')):sub(1, 16) end
  for i, stored in ipairs(redis.call('HMGET', CURVES, unpack(fields))) do last[fields[i]:sub(2)] = opened(stored) end
  return last
end

-- Prepares a tell for its further metrics, `packed`: names, shapes and rows. Returns what writes those of all reports
-- that were added; nil and the index of a name, if it is too many.
local function open_further(search, results, packed)
  local given, stored = cmsgpack.unpack(packed), redis.call('HGET', META, 'further')
  local known = stored and cmsgpack.unpack(stored) or { {}, {} }
  local before = #known[1] + #known[2]
  local bytes, excess = numbered(known[1], given[1])
  if excess then return nil, excess end
  local last = give_rows(results, given, heads_of(known[2], given[2], bytes))
  local written, changed = {}, {}
  local function write(field, piece)
    written[#written + 1], written[#written + 2] = field, table.concat(piece.parts)
  end
  search.add_further = function(number, place, row)
    local piece, full = add_row(last[number], place, row)
    if full then write(string.format('m%s.%d', number, full.number), full) end
    last[number], changed[number] = piece, true
  end
  return function()
    for number in pairs(changed) do write('m' .. number, last[number]) end
    if #written == 0 then return end
    redis.call('HSET', CURVES, unpack(written))
    if #known[1] + #known[2] == before then return end
    redis.call('HSET', META, 'further', cmsgpack.pack(known))
    search.progress.further = #known[1]
    need_layout(search, Size.further_layout)
  end
end
