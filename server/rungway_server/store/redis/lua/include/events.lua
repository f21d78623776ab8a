-- Explanations, and the event log: one line per decision, so that "why?" has an answer afterwards. Its oldest lines go
-- when there are too many. An explanation is { reason, bracket, rung, rank, size, quota, cutoff key }, without the last
-- five where no rung took part.
-- Gives  no_rung, with_reason, stored_why, lines_at, log_decision, log_event, event_lines
--- @include "call"
--- @include "layout"
local function no_rung(reason, trial) return { reason, trial.bracket } end

local function with_reason(reason, numbers) return { reason, unpack(numbers) } end

-- The explanation that begins at list[at], as it is stored.
local function stored_why(list, at) return code_of(list[at]), unpack(list, at + 1) end

-- How many lines a pair of a record's log stands for, and whether it is the pair for those left out.
local function lines_at(trial, i)
  if trial.log[i] == -trial.created then return trial.log[i + 1], true end
  return 1, false
end

-- A record names the lines of its trial's life: pairs of the milliseconds since the trial was created, and the count
-- within that millisecond. Of a long life it names the first and the last ones; between them is a pair with the
-- time 0, which says how many are left out.
local FIRST, LAST = 2 * 32, 2 * 32

local function note_line(trial, time_ms, count)
  local log = trial.log
  log[#log + 1], log[#log + 2] = time_ms - trial.created, count
  if #log <= FIRST + 2 + LAST then return end
  local kept, left_out, last = { unpack(log, 1, FIRST) }, 0, #log - LAST
  for i = FIRST + 1, last, 2 do left_out = left_out + lines_at(trial, i) end
  kept[FIRST + 1], kept[FIRST + 2] = -trial.created, left_out
  for i = last + 1, #log do kept[#kept + 1] = log[i] end
  trial.log = kept
end

local function append(search, event)
  return redis.call('XADD', EVENTS, 'MAXLEN', '~', search.plan.most_events or 1000000, '*', 'e', cmsgpack.pack(event))
end

local function log_decision(search, kind, number, why)
  local trial = search.trials[number]
  local event = { code_of(kind), tonumber(number), trial.length, trial.metric, trial.worker, stored_why(why, 1) }
  local time_ms, count = append(search, event):match('(%d+)-(%d+)')
  note_line(trial, time_ms, tonumber(count))
  trial.changed, search.changed = true, true
end

-- What is not about a trial, with a text where there is one.
local function log_event(search, kind, message)
  append(search, { kind, message })
  search.changed = true
end

-- Adds lines of the log to an answer: the id of each, then what was packed.
local function event_lines(answer, lines)
  for _, line in ipairs(lines) do answer[#answer + 1] = { line[1], unpack(cmsgpack.unpack(line[2][2])) } end
end
