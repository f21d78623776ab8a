-- The explanation of what no rung took part in.
local function no_rung(reason, trial) return { reason, trial.bracket } end
