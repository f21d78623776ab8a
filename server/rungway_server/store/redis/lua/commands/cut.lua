#!lua flags=no-writes
-- Reads what has changed since a mark, with all that is short: with what was copied until then it is the search of one moment.
-- KEYS   see KEYS.md
-- ARGV   1 uid; of the mark: 2 last event  3 time (ms)  4 next trial  5 first proposal not known  6 next running number
--        7 clones that waited, with commas between them;  8 revision at which the lists are known, or ''
--        9 most trials, events and proposals  10 most bytes of records and proposals  11 '1' = also what only an audit looks at
--        12 revision at which trials are known though some change in silence, or '' where none does
-- Returns {'cut', schema, tally, counts, failing or '', {event}, {number, record…}, {number, proposal…},
--          {line, ready, queue, leases, best} or {} (as they are known), {members of these trials in rungs}, {point, uses or ''…}},
--         {'behind', why: trials, plan, lists, proposals or everything}, {'missing'} or {'stale'}
--- @include "clock"
--- @include "raised"
local META, TRIALS, CONFIGS, LEASES, LINE, READY, BEST, _, EVENTS = unpack(KEYS, 1, 9)
local QUEUE, RUNGS, POINTS = KEYS[12], KEYS[13], KEYS[14]
local meta = redis.call('HMGET', META, 'uid', 'tally', 'counts', 'ladder', 'plan', 'schema', 'failing')
if not meta[1] then return { 'missing' } end
if meta[1] ~= ARGV[1] then return { 'stale' } end
local tally, counts, plan = cmsgpack.unpack(meta[2]), cmsgpack.unpack(meta[3]), cmsgpack.unpack(meta[5])
local since, entry, most, room, whole = tonumber(ARGV[3]), tonumber(ARGV[6]), tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11] == '1'
if clock('') < since then return { 'behind', 'everything' } end
if table.concat(counts.clones or {}, ',') ~= ARGV[7] then return { 'behind', 'trials' } end

local lists = {}
if ARGV[8] ~= tostring(tally.revision) then
  local items = redis.call('LLEN', LINE) + redis.call('ZCARD', READY) + 20 * redis.call('LLEN', QUEUE)
  if whole then items = items + redis.call('ZCARD', LEASES) end
  if items > 3 * most then return { 'behind', 'lists' } end
  lists = { redis.call('LRANGE', LINE, 0, -1), redis.call('ZRANGE', READY, 0, -1), redis.call('LRANGE', QUEUE, 0, -1) }
  if whole then lists[4], lists[5] = redis.call('ZRANGE', LEASES, 0, -1, 'WITHSCORES'), redis.call('ZRANGE', BEST, 0, -1) end
end

local events = redis.call('XRANGE', EVENTS, ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'COUNT', most + 1)
local numbers, seen = {}, {}
local function note(number)
  if not seen[number] then numbers[#numbers + 1], seen[number] = number, true end
end
for _, event in ipairs(events) do
  local read, fields = pcall(cmsgpack.unpack, event[2][2])
  if read and type(fields) == 'table' then
    if fields[1] == 'changed' then return { 'behind', 'plan' } end
    if fields[2] then note(tostring(fields[2])) end
  end
end
local renewed = since + plan.lease_ms - 2 -- the clock may have been set back a little
for _, number in ipairs(redis.call('ZRANGEBYSCORE', LEASES, renewed, '+inf', 'LIMIT', 0, most + 1)) do note(number) end
local known = (ARGV[12] == '' or ARGV[12] == tostring(tally.revision)) and tonumber(ARGV[4]) or 0
for number = known, math.min(tally.next_trial, known + most + 1) - 1 do note(string.format('%.0f', number)) end
if tally.next_entry > entry then
  for _, number in ipairs(raised(counts, cmsgpack.unpack(meta[4]), entry, most)) do note(number) end
end
if #events > most or #numbers > most then return { 'behind', 'trials' } end

local function packed(key, number, into)
  local value = redis.call('HGET', key, number)
  if not value then return end
  room = room - #value
  into[#into + 1], into[#into + 2] = number, value
  return value
end
local records, members, proposals, points = {}, {}, {}, {}
local function used(config)
  if POINTS then points[#points + 1], points[#points + 2] = config, redis.call('HGET', POINTS, config) or '' end
end
for _, config in ipairs(whole and lists[3] or {}) do used(config) end
for _, number in ipairs(numbers) do
  local value = packed(TRIALS, number, records)
  local read, fields = pcall(cmsgpack.unpack, whole and value or '')
  if read and type(fields) == 'table' and type(fields[22]) == 'table' then
    used(fields[28])
    for i, stamp in ipairs(fields[22]) do
      local member = string.char(fields[2], i - 1) .. stamp .. struct.pack('>I4', number)
      if stamp ~= '' and redis.call('ZSCORE', RUNGS, member) then members[#members + 1] = member end
    end
  end
  if room < 0 then return { 'behind', 'trials' } end
end
if tally.proposed > ARGV[5] + most then return { 'behind', 'proposals' } end
for number = tonumber(ARGV[5]), tally.proposed - 1 do
  packed(CONFIGS, string.format('%.0f', number), proposals)
  if room < 0 then return { 'behind', 'proposals' } end
end
return { 'cut', meta[6], meta[2], meta[3], meta[7] or '', events, records, proposals, lists, members, points }
