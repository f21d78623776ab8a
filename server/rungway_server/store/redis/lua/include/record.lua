-- Trial records as they are stored: arrays of fields. A state is its first letter; the last metric is there only where its point is
-- no longer in the tail, the best metric and its length only where they are not the last.
local STATES = ' paused queued completed stopped failed invalid'

local function unpack_trial(packed)
  local v = cmsgpack.unpack(packed)
  v[1] = v[1] == 'r' and 'running' or STATES:match(' (' .. v[1] .. '%a+)')
  if v[8] == '' then v[8] = v[12]:sub(-8) end
  if not v[29] then v[29] = math.max(v[4], v[17]) end -- layout 5
  return {
    state = v[1], bracket = v[2], rung = v[3], length = v[4], next = v[5], to = v[6], fence = v[7], metric = v[8],
    best_key = v[9] or v[8], best_length = v[10] or v[4], points = v[11], tail = v[12], request = v[13], print = v[14],
    verdict = v[15], checkpoint = v[16], checkpoint_length = v[17], from = v[18], restarts = v[19], created = v[20], worker = v[21],
    entries = v[22], log = v[23], outcome = v[24], message = v[25], parent = v[26], returns = v[27], config = v[28],
    reached = v[29],
  }
end

local function pack_trial(t)
  return cmsgpack.pack({
    t.state:sub(1, 1), t.bracket, t.rung, t.length, t.next, t.to, t.fence, t.tail == '' and t.metric or '',
    t.best_key ~= t.metric and t.best_key, t.best_length ~= t.length and t.best_length, t.points, t.tail, t.request,
    t.print, t.verdict, t.checkpoint, t.checkpoint_length, t.from, t.restarts, t.created, t.worker, t.entries, t.log, t.outcome,
    t.message, t.parent, t.returns, t.config, t.reached,
  })
end
