-- Further metrics of reports: named values beside the curve, which rank nowhere. The cost of a report is the one whose
-- name is empty. A row has those of one report: its place in the curve (add_row), its shape, and the values, 8 bytes
-- each. META has the names, and the shapes: the numbers of a row's names, a byte each. So a row tells its names in one
-- byte; with 255 shapes known, another one is in the row itself, after '\255' and how many names it has.
-- Gives  open_further
--- @include "call"
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

-- Adds a row to the last piece of a trial, which begins with its number (4 bytes) and the place in the curve of its
-- first row (4 bytes). A row has the distance from there: a byte or, where that is too little, '\255' and the place.
-- Returns the last piece, and the one before it where that has become full.
local function add_row(last, place, row)
  local full = nil
  if last and #last + #row + 5 > Size.further_piece_bytes then full, last = last, nil end
  last = last or struct.pack('>I4I4', full and struct.unpack('>I4', full) + 1 or 0, place)
  local distance = place - struct.unpack('>I4', last, 5)
  return last .. (distance < 255 and string.char(distance) or '\255' .. struct.pack('>I4', place)) .. row, full
end

-- Gives each report of a tell its row, and each result with rows a fingerprint that tells them. `packed` has names,
-- shapes and rows: index of the result, of the report, of the shape, values. Returns what writes the rows of all
-- reports that were added; nil and the index of a name, if it is too many.
local function open_further(search, results, packed)
  local given, stored, wanted, tails = cmsgpack.unpack(packed), redis.call('HGET', META, 'further'), {}, {}
  local known = stored and cmsgpack.unpack(stored) or { {}, {} }
  local before = #known[1] + #known[2]
  local bytes, excess = numbered(known[1], given[1])
  if excess then return nil, excess end
  local heads, rows = heads_of(known[2], given[2], bytes), given[3]
  for i = 1, #rows, 4 do
    local result, shape, words = results[rows[i] + 1], rows[i + 2] + 1, {}
    if not tails[result.number] then wanted[#wanted + 1], tails[result.number] = 'm' .. result.number, true end
    for j, place in ipairs(given[2][shape]) do words[j] = given[1][place + 1] end
    words[#words + 1], words[#words + 2], words[#words + 3] = rows[i + 1], rows[i + 3], result.fingerprint
    result.fingerprint = redis.sha1hex(table.concat(words, '\0')):sub(1, 16)
    result.reports[rows[i + 1] + 1].further = heads[shape] .. rows[i + 3]
  end
  for i, tail in ipairs(redis.call('HMGET', CURVES, unpack(wanted))) do tails[wanted[i]:sub(2)] = tail end

  local pieces, changed = {}, {}
  search.add_further = function(number, place, row)
    local last, full = add_row(tails[number], place, row)
    if full then
      pieces[#pieces + 1], pieces[#pieces + 2] = string.format('m%s.%d', number, struct.unpack('>I4', full)), full
    end
    tails[number], changed[number] = last, true
  end
  return function()
    for number in pairs(changed) do pieces[#pieces + 1], pieces[#pieces + 2] = 'm' .. number, tails[number] end
    if #pieces == 0 then return end
    redis.call('HSET', CURVES, unpack(pieces))
    if #known[1] + #known[2] == before then return end
    redis.call('HSET', META, 'further', cmsgpack.pack(known))
    search.progress.further, search.needs_layout = #known[1], Size.further_layout
  end
end
