#!lua flags=no-writes
-- Reads what has changed since a mark, with all that is short: with what was copied until then it is the search of one
-- moment.
-- KEYS   see KEYS.md
-- ARGV   1 uid; of the mark: 2 last event  3 time (ms)  4 next trial  5 first suggestion not known
--        6 next running number  7 clones that waited, with commas between them
--        8 revision at which the lists are known, or ''
--        9 most trials, events and suggestions  10 most bytes of records and suggestions
--        11 '1' = also what only an audit reads
--        12 revision at which trials are known though some change in silence, or '' where none does
-- Returns {'changes', schema, progress, counts, failing or '', {event}, {number, record…}, {number, suggestion…},
--          {requeued, promotable, enqueued, leases, best} or {} (as they are known),
--          {members of these trials in rungs}, {point, uses or ''…}, {field of a proposal in stock, it…}},
--         {'behind', why: trials, plan, lists, suggestions or everything}, {'missing'} or {'stale'}
--- @include "call"
--- @include "rungs"
--- @include "in_stock"
--- @include "lists"
local meta = redis.call('HMGET', META, 'uid', 'tally', 'counts', 'ladder', 'plan', 'schema', 'failing')
if not meta[1] then return { 'missing' } end
if meta[1] ~= ARGV[1] then return { 'stale' } end
local progress, counts, plan = cmsgpack.unpack(meta[2]), cmsgpack.unpack(meta[3]), cmsgpack.unpack(meta[5])
local since_ms, next_entry, most = tonumber(ARGV[3]), tonumber(ARGV[6]), tonumber(ARGV[9])
local bytes_left, whole = tonumber(ARGV[10]), ARGV[11] == '1'
if clock('') < since_ms then return { 'behind', 'everything' } end
if table.concat(counts.clones or {}, ',') ~= ARGV[7] then return { 'behind', 'trials' } end

local lists = {}
if ARGV[8] ~= tostring(progress.revision) then
  local items = redis.call('LLEN', REQUEUED) + redis.call('ZCARD', PROMOTABLE) + 20 * redis.call('LLEN', ENQUEUED)
  if whole then items = items + redis.call('ZCARD', LEASES) end
  if items > 3 * most then return { 'behind', 'lists' } end
  lists[1], lists[2] = redis.call('LRANGE', REQUEUED, 0, -1), redis.call('ZRANGE', PROMOTABLE, 0, -1)
  lists[3] = redis.call('LRANGE', ENQUEUED, 0, -1)
  if whole then
    lists[4], lists[5] = redis.call('ZRANGE', LEASES, 0, -1, 'WITHSCORES'), redis.call('ZRANGE', BEST, 0, -1)
  end
end

local events = redis.call('XRANGE', EVENTS, ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'COUNT', most + 1)
local numbers, seen = {}, {}
local function note(number)
  if not seen[number] then numbers[#numbers + 1], seen[number] = number, true end
end
for _, event in ipairs(events) do
  local readable, values = pcall(cmsgpack.unpack, event[2][2])
  if readable and type(values) == 'table' then
    if values[1] == 'changed' then return { 'behind', 'plan' } end
    if values[2] then note(tostring(values[2])) end
  end
end
local renewed_ms = since_ms + plan.lease_ms - 2 -- the clock may have been set back a little
local renewed = redis.call('ZRANGEBYSCORE', LEASES, renewed_ms, '+inf', 'LIMIT', 0, most + 1)
for _, number in ipairs(renewed) do note(number) end
local known = (ARGV[12] == '' or ARGV[12] == tostring(progress.revision)) and tonumber(ARGV[4]) or 0
for number = known, math.min(progress.next_trial, known + most + 1) - 1 do note(string.format('%.0f', number)) end
if progress.next_entry > next_entry then
  for _, number in ipairs(promoted_dead(counts, cmsgpack.unpack(meta[4]), next_entry, most)) do note(number) end
end
if #events > most or #numbers > most then return { 'behind', 'trials' } end

local function add_value(key, number, into)
  local value = redis.call('HGET', key, number)
  if not value then return end
  bytes_left = bytes_left - #value
  into[#into + 1], into[#into + 2] = number, value
  return value
end
local records, members, suggestions, points = {}, {}, {}, {}
local function add_uses(config)
  if POINTS then points[#points + 1], points[#points + 2] = config, redis.call('HGET', POINTS, config) or '' end
end
for _, config in ipairs(whole and lists[3] or {}) do add_uses(config) end
for _, number in ipairs(numbers) do
  local record = add_value(TRIALS, number, records)
  local readable, values = pcall(cmsgpack.unpack, whole and record or '')
  local entries = readable and type(values) == 'table' and values[Field.entries]
  if type(entries) == 'table' then
    add_uses(values[Field.config])
    for i, stamp in ipairs(entries) do
      local member = rung_prefix(values[Field.bracket], i - 1) .. stamp .. struct.pack('>I4', number)
      if stamp ~= '' and redis.call('ZSCORE', RUNGS, member) then members[#members + 1] = member end
      local own = string.char(member:byte(1) + 128) .. member:sub(2) -- include/protect.lua
      if #stamp > 12 and redis.call('ZSCORE', RUNGS, own) then members[#members + 1] = own end
    end
  end
  if bytes_left < 0 then return { 'behind', 'trials' } end
end
if progress.proposed > ARGV[5] + most then return { 'behind', 'suggestions' } end
for number = tonumber(ARGV[5]), progress.proposed - 1 do
  add_value(CONFIGS, string.format('%.0f', number), suggestions)
  if bytes_left < 0 then return { 'behind', 'suggestions' } end
end
local stock, search = {}, { progress = progress, counts = counts, ladder = cmsgpack.unpack(meta[4]) }
if counts.sources and counts.sources.stock then without_lists(search) end
for lane = 1, counts.sources and #search.ladder.sources.codes + 1 or 0 do
  local _, used, filled = stock_of(search, lane)
  for place = used, filled - 1 do add_value(CONFIGS, string.format('%d:%.0f', lane, place), stock) end
end
local last = { records, suggestions, lists, members, points, stock }
return { 'changes', meta[6], meta[2], meta[3], meta[7] or '', events, unpack(last) }
