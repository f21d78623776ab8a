-- What a request says, in short: its part of ARGV.
local function fingerprint(kind, first, last) return redis.sha1hex(kind .. ' ' .. table.concat(ARGV, ' ', first, last)):sub(1, 16) end

-- Four bytes as a number, from the hexadecimal digits at this place.
local function four(digits, at) return tonumber(digits:sub(at, at + 7), 16) end

-- Where the answer to a request id is kept, 96 bits of its SHA-1, and what its request said in as few bytes as that takes.
local last_id, last_field
local function field_of(id)
  if id == last_id then return last_field end
  local digits = redis.sha1hex(id)
  last_id, last_field = id, struct.pack('>I4I4I4', four(digits, 1), four(digits, 9), four(digits, 17))
  return last_field
end

local function short(print) return struct.pack('>I4I4', four(print, 1), four(print, 9)) end

--- @include "remember"
