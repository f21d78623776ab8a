-- How many lines of a life a pair of its record stands for, and whether it is the one for those left out.
local function lines_at(trial, i)
  if trial.log[i] == -trial.created then return trial.log[i + 1], true end
  return 1, false
end
