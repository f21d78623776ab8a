#!lua
-- Adds to what models, or another program, have proposed for trials to come.
-- Promise: each proposal counts by its number, and the first one that comes with a number is kept; where points are
-- counted, none that has had a trial is kept. No trial is started.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 lane  4 number of the first proposal below  5 revision and 6 number of results that
--        they were made from  7 most proposals in stock  8… proposals
-- Returns {'stock', how many are in stock, number of the next proposal, revision}, {'refused', state},
--         {'no lane'}, {'missing'} or {'stale'}
-- Replay finds the numbers taken, and changes nothing
--- @include "call"
--- @include "experiment"
--- @include "points"
--- @include "lanes"
--- @include "in_stock"
--- @include "numbers"
local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
open_ladder(search)
if is_over(search) then return { 'refused', search.progress.state } end
local lane, first, counts = tonumber(ARGV[3]), tonumber(ARGV[4]), search.counts
if not counts.sources or lane < 1 or lane > #search.ladder.sources.codes + 1 then return { 'no lane' } end

local at, used, filled, drawn, made, revision, lasts = stock_of(search, lane)
local new = 8 + drawn - first -- before it are those that others brought, too
if first <= drawn and new <= #ARGV then
  if search.progress.next_entry >= lasts then
    for place = used, filled - 1 do redis.call('HDEL', CONFIGS, stock_field(lane, place)) end
    used = filled
  end
  if used == filled then
    revision, made = tonumber(ARGV[5]), tonumber(ARGV[6])
    lasts = made + math.max(4, math.floor(0.15 * made))
    if search.ladder.sources.codes:byte(lane) == Source.external then lasts = NO_END end
  end
  for i = new, #ARGV do
    if filled - used >= tonumber(ARGV[7]) then break end
    drawn = drawn + 1
    if not counts.points or is_free(search, ARGV[i]) then
      redis.call('HSET', CONFIGS, stock_field(lane, filled), ARGV[i])
      filled = filled + 1
    end
  end
  local numbers = struct.pack('>I4I4I4I4I4I4', used, filled, drawn, made, revision, lasts)
  counts.stock = with_bytes(counts.stock, at, numbers)
  note_stock(search)
  search.stock_changed = true
  save(search)
end
return { 'stock', filled - used, drawn, search.progress.revision }
