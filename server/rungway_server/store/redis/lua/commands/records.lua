#!lua flags=no-writes
-- Reads records of trials as they are stored, as many as make up a piece.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 most bytes (one record at least)  3… trial numbers
-- Returns {'records', record or '' of each number that was looked at…}, {'missing'} or {'stale'}
--- @include "call"
local uid = redis.call('HGET', META, 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local answer, bytes_left = { 'records' }, tonumber(ARGV[2])
for i = 3, #ARGV do
  local packed = redis.call('HGET', TRIALS, ARGV[i]) or ''
  bytes_left = bytes_left - #packed
  if bytes_left < 0 and i > 3 then break end
  answer[#answer + 1] = packed
end
return answer
