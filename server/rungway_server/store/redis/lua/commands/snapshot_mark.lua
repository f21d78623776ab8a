#!lua flags=no-writes
-- Reads where the search stands. A copy made from here on finds what changes in the meantime by this mark.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 next running number at the mark before
-- Returns {'mark', time (ms), id of the last event or '', progress, counts,
--          {dead trials promoted since the mark before}}, {'missing'} or {'stale'}
--- @include "call"
--- @include "rungs"
local meta = redis.call('HMGET', META, 'uid', 'tally', 'counts', 'ladder')
if not meta[1] then return { 'missing' } end
if meta[1] ~= ARGV[1] then return { 'stale' } end

local last, dead, since = redis.call('XREVRANGE', EVENTS, '+', '-', 'COUNT', 1)[1], {}, tonumber(ARGV[3])
if cmsgpack.unpack(meta[2]).next_entry > since then
  dead = promoted_dead(cmsgpack.unpack(meta[3]), cmsgpack.unpack(meta[4]), since, 1000)
end
return { 'mark', clock(ARGV[2]), last and last[1] or '', meta[2], meta[3], dead }
