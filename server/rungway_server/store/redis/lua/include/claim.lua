-- Entries of a ledger: what an experiment claims, when that was noted, and whether somebody is still at work on it.
local function read_claim(entry)
  local trials, leases, noted, at_work = string.match(entry, '^(%d+) (%d+) (%d+) ([01])$')
  return { tonumber(trials), tonumber(leases) }, tonumber(noted), at_work == '1'
end

local function write_claim(name, trials, leases, now, at_work)
  local entry = string.format('%.0f %.0f %.0f %s', trials, leases, now, at_work)
  redis.call('HSET', KEYS[1], name, entry)
  return entry
end
