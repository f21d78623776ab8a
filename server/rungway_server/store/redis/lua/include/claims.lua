-- The ledger of a namespace: what each experiment claims, when that was noted, and whether somebody is still at work on
-- it.
-- Gives  LEDGER, read_claim, write_claim

local LEDGER = KEYS[1]

local function read_claim(entry)
  local trials, leases, noted_ms, at_work = string.match(entry, '^(%d+) (%d+) (%d+) ([01])$')
  return { tonumber(trials), tonumber(leases) }, tonumber(noted_ms), at_work == '1'
end

local function write_claim(name, trials, leases, now_ms, at_work)
  local entry = string.format('%.0f %.0f %.0f %s', trials, leases, now_ms, at_work)
  redis.call('HSET', LEDGER, name, entry)
  return entry
end
