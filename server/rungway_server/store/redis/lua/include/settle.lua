-- The search is done when nothing runs, waits in line or may go up, no clone is yet to come, and every bracket has started its trials.
--- @include "room"
local function settle(x)
  if x.tally.state ~= 'running' or x.live > 0 or x.queued > 0 or x.ready > 0 then return end
  if x.counts.clones and #x.counts.clones > 0 then return end
  for b in ipairs(x.ladder.trials) do
    if room(x, b) > 0 then return end
  end
  x.tally.state = 'done'
  log_event(x, 'done')
end
