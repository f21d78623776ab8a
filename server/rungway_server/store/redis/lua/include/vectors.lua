-- The vectors that reports of a tell rank by, where a search has objectives (fronts.lua says what they are).
-- Gives  give_vectors, lacked_objective
--- @include "experiment"
--- @include "rungs"
-- Gives each report its vectors, `packed`: a list of what a report ranks by below the top rung and, where it may be
-- another there, at the top rung, one after the other; '' where it lacks an objective of both. A second list says
-- whether it may be the best of its trial: it lacks nothing, and meets the constraints.
local function give_vectors(results, packed)
  local lists, at = cmsgpack.unpack(packed), 0
  for _, result in ipairs(results) do
    for _, report in ipairs(result.reports) do
      at = at + 1
      report.objectives, report.unfit = lists[1][at], not lists[2][at]
    end
  end
end

-- What a result lacks that a decision needs, nil for nothing: the index of the report, and '1' where the top rung needs
-- it; an empty list where that is a report of an earlier tell.
local function lacked_objective(search, trial, result)
  if is_over(search) then return nil end
  local reports, bytes = result.reports, 8 * (search.ladder.objectives + 1)
  local last = reports[#reports]
  if not last then return #trial.objectives < (search.ladder.finals and 2 or 1) * bytes and {} or nil end
  if last.length < trial.next_length and not result.finished then return nil end
  local top = rung_length(search, trial.bracket, search.ladder.rungs[trial.bracket + 1] - 1)
  local final = search.ladder.finals and (result.finished or last.length >= top)
  if #last.objectives >= (final and 2 or 1) * bytes then return nil end
  return { #reports - 1, final and '1' or '' }
end
