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
--- @include "stock"
local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
open_ladder(search)
if is_over(search) then return { 'refused', search.progress.state } end
local own, lane, first = search.counts.sources, tonumber(ARGV[3]), tonumber(ARGV[4])
local stock = own and own.stock[lane]
if not stock then return { 'no lane' } end

local new = 8 + stock.drawn - first -- before it are those that others brought, too
if first <= stock.drawn and new <= #ARGV then
  if is_stale(search, lane) then
    for place = stock.used, stock.filled - 1 do redis.call('HDEL', CONFIGS, stock_field(lane, place)) end
    stock.used = stock.filled
  end
  if stock.used == stock.filled then stock.revision, stock.made = tonumber(ARGV[5]), tonumber(ARGV[6]) end
  for i = new, #ARGV do
    if stock.filled - stock.used >= tonumber(ARGV[7]) then break end
    stock.drawn = stock.drawn + 1
    if not search.counts.points or is_free(search, ARGV[i]) then
      redis.call('HSET', CONFIGS, stock_field(lane, stock.filled), ARGV[i])
      stock.filled = stock.filled + 1
    end
  end
  search.stock_changed = true
  save(search)
end
return { 'stock', stock.filled - stock.used, stock.drawn, search.progress.revision }
