-- How results rank by several objectives, and by constraints on outcomes: in fronts, the best first, in each of which
-- none dominates another; inside a front in the order of an epsilon-net, which spreads the first of it over it.
-- Source: Schmucker, Donini, Zafar, Salinas and Archambeau 2021, "Multi-objective Asynchronous Successive Halving",
-- section 3. Fronts: Zhang, Tian, Cheng and Jin 2015, "An Efficient Approach to Nondominated Sorting".
-- Gives  vector_bytes, read_vector, in_fronts

-- A vector (domain/search/objectives.py makes it): the violation of the constraints, 0 where all are met and infinite
-- where the result ranks last, and the objectives, of which smaller is better; 8 bytes each (IEEE 754).
local function vector_bytes(search) return 8 * (search.ladder.objectives + 1) end

-- The vector that begins at a byte of a text; [0] is the violation.
local function read_vector(search, text, at)
  local vector = {}
  for m = 0, search.ladder.objectives do vector[m] = struct.unpack('>d', text, at + 8 * m) end
  return vector
end

-- Before another one by the violation, the objectives one after the other, and the time of telling.
local function compares(objectives)
  return function(one, other)
    for m = 0, objectives do
      if one[m] ~= other[m] then return one[m] < other[m] end
    end
    return one.at < other.at
  end
end

-- Whether any of a front dominates a result, which comes after all of them in the order of `compares`: with one or two
-- objectives only the last can be the one.
local function dominates(front, result, objectives)
  for i = #front, objectives <= 2 and #front or 1, -1 do
    local other, better = front[i], false
    for m = 1, objectives do
      if other[m] > result[m] then
        better = nil
        break
      end
      better = better or other[m] < result[m]
    end
    if better then return true end
  end
  return false
end

-- The fronts of results that are sorted: of those with a smaller violation all are before those with a larger one.
local function fronts_of(sorted, objectives)
  local fronts, first, violation = {}, 1, nil
  for _, result in ipairs(sorted) do
    if result[0] ~= violation then first, violation = #fronts + 1, result[0] end
    local low, high = first, #fronts + 1
    while low < high do
      local middle = math.floor((low + high) / 2)
      if dominates(fronts[middle], result, objectives) then low = middle + 1 else high = middle end
    end
    fronts[low] = fronts[low] or {}
    table.insert(fronts[low], result)
  end
  return fronts
end

-- Scales each objective to 0 to 1 over a front. Halves, so that no difference overflows.
local function scale(front, objectives)
  for m = 1, objectives do
    local least, most = front[1][m], front[1][m]
    for _, result in ipairs(front) do least, most = math.min(least, result[m]), math.max(most, result[m]) end
    local span = most / 2 - least / 2
    for _, result in ipairs(front) do result[-m] = span > 0 and (result[m] / 2 - least / 2) / span or 0 end
  end
end

-- Appends a front to the order: `most` by the epsilon-net, each next one the farthest from all before it, the first
-- of equally far ones; then the rest as they are. It begins with the best by the first objective.
local function spread(order, front, most, objectives)
  local last, near = front[1], {}
  if most > 1 then scale(front, objectives) end
  for i = 1, #front do near[i] = math.huge end
  for k = 1, math.min(most, #front) do
    local at = 1
    for i = 1, k > 1 and #front or 0 do
      local result, distance = front[i], 0
      if near[i] >= 0 then
        for m = -objectives, -1 do distance = distance + (result[m] - last[m]) * (result[m] - last[m]) end
        if distance < near[i] then near[i] = distance end
      end
      if near[i] > near[at] then at = i end
    end
    last, near[at] = front[at], -1
    order[#order + 1] = last
  end
  for i, result in ipairs(front) do
    if near[i] >= 0 then order[#order + 1] = result end
  end
end

-- Ranks vectors, each with `at`, the order of their telling; says of each its `front`, from 0. Only the first `most`
-- are by an epsilon-net: who goes up is among these.
local function in_fronts(vectors, most, objectives)
  local order = {}
  table.sort(vectors, compares(objectives))
  for number, front in ipairs(fronts_of(vectors, objectives)) do
    for _, result in ipairs(front) do result.front = number - 1 end
    spread(order, front, math.max(0, most - #order), objectives)
  end
  return order
end
