-- What a request says, in short: its part of ARGV.
local function fingerprint(kind, first, last) return redis.sha1hex(kind .. ' ' .. table.concat(ARGV, ' ', first, last)):sub(1, 16) end
