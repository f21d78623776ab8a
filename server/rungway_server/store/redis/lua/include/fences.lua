-- Fencing numbers are counted from this many times the time in ms; no Redis hands out leases faster for long.
local FENCES_PER_MS = 16
