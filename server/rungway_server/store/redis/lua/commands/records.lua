#!lua flags=no-writes
-- Reads records of trials as they are stored, as many as make up a piece.
-- KEYS   see KEYS.md
-- ARGV   1 uid  2 most bytes, but for one record at least  3… trial numbers
-- Returns {'records', record or '' of each number that was looked at…}, {'missing'} or {'stale'}
local uid = redis.call('HGET', KEYS[1], 'uid')
if not uid then return { 'missing' } end
if uid ~= ARGV[1] then return { 'stale' } end

local answer, left = { 'records' }, tonumber(ARGV[2])
for i = 3, #ARGV do
  local packed = redis.call('HGET', KEYS[2], ARGV[i]) or ''
  left = left - #packed
  if left < 0 and i > 3 then break end
  answer[#answer + 1] = packed
end
return answer
