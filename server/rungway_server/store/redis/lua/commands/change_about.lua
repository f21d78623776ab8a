#!lua
-- Replaces what people wrote beside an experiment: its labels, owner and comment.
-- Promise: no change is made to a text that nobody has seen; nothing else of the search changes.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 now_ms or ''  3 text that is changed ('' = there is none)  4 the text instead
-- Returns {'changed'}, {'outdated'} (the text is another one by now), {'missing'} or {'stale'}
-- Replay finds the text outdated, unless it stayed the same
--- @include "call"
--- @include "experiment"
--- @include "events"
local search, refusal = open_experiment(ARGV[1], ARGV[2])
if refusal then return refusal end
open_ladder(search)
if (redis.call('HGET', META, 'about') or '') ~= ARGV[3] then return { 'outdated' } end
log_event(search, 'changed')
redis.call('HSET', META, 'about', ARGV[4])
need_layout(search, Size.about_layout)
save(search)
return { 'changed' }
