-- What an ask hands out next: a trial that waits to go on, else a promotion, else a new trial.
-- Gives  hand_out, with_configs
--- @include "call"
--- @include "trials"
--- @include "events"
--- @include "leases"
--- @include "rungs"
--- @include "clones"
--- @include "suggestions"
--- @include "budget"
--- @include "waiting"
--- @include "promotions"
-- Of the brackets not yet tried, the one with the smallest share of its concurrency in use; among equals the one that
-- stops most trials. nil when all were tried.
local function next_bracket(search, tried)
  local live, share, least = search.counts.live, search.ladder.share, nil
  for index = 1, #share do
    local smaller = not least or live[index] * share[least] < live[least] * share[index]
    if smaller and not tried[index - 1] then least = index end
  end
  return least and least - 1
end

-- So that no script takes long: results at rungs that are equally long, bytes of configurations and checkpoints.
local ENTRIES_AT_ONCE, BYTES_AT_ONCE = 64, 512 * 1024

-- Where rungs have equal lengths, the result of a promoted trial counts in the next rung at once. Returns the
-- explanation when there is training to do, nil when not. Made when called: most rungs have lengths of their own.
local function pass_equal_rungs(search, number, trial)
--- @apart
--- @include "trials"
--- @include "events"
--- @include "rungs"
--- @include "results"
--- @include "waiting"
  local bracket, key, why = trial.bracket, trial.entries[trial.rung]:sub(1, 8), nil
  repeat
    local numbers, in_top, _, reason = add_result(search, bracket, trial.rung, number, trial, key)
    if not in_top then
      local over = is_top(search, bracket, trial.rung)
      if not over then keep_waiting(search, number, trial) end
      set_state(search, trial, over and TrialState.completed or TrialState.paused)
      return nil
    end
    why = with_reason(reason, numbers)
    promote(search, trial)
  until trial.next_length > trial.length
  return why
end

-- In few searches trials that wait go on. Returns number and record of one and, if it has to train, the explanation.
local function let_go_on(search)
--- @apart
--- @include "entries"
--- @include "waiting"
  local tried, bracket = {}, next_bracket(search, {})
  while bracket do
    local number, trial, why = go_on_waiting(search, bracket, search.ladder.blind and choose_entry)
    if number and trial.next_length <= trial.length then why = pass_equal_rungs(search, number, trial) end
    if number then return number, trial, why end
    tried[bracket] = true
    bracket = next_bracket(search, tried)
  end
end

-- Returns trial number, record and explanation; nil when there is nothing to hand out, or the next entry would be
-- `last_entry`. Rungs that are full promote after the last new trial: `full` is true then.
local function pick(search, last_entry, full)
  if search.requeued > 0 then
    local number = redis.call('LPOP', REQUEUED)
    search.requeued, search.changed = search.requeued - 1, true
    local trial = load_trial(search, number)
    return number, trial, trial.fencing_token == 0 and why_cloned(search, trial) or no_rung(Reason.requeued, trial)
  end
  local tried, bracket = {}, next_bracket(search, {})
  while bracket do
    repeat
      if search.progress.next_entry >= last_entry then return nil end
      local number, trial, why = pop_promotable(search, bracket, full)
      if number then
        end_waiting(search, number, trial)
        promote(search, trial)
        if trial.next_length <= trial.length then why = pass_equal_rungs(search, number, trial) end
        if why then return number, trial, why end
      end
    until not number
    if trials_left(search, bracket) > 0 then return new_trial(search, bracket) end
    tried[bracket] = true
    bracket = next_bracket(search, tried)
  end
  if search.promotable > 0 and not full then return pick(search, last_entry, true) end
  if (search.waiting or 0) == 0 then return nil end
  local number, trial, why = let_go_on(search)
  if number and not why then return pick(search, last_entry) end
  return number, trial, why
end

-- Adds assignments to an answer until it has `most` items, or much was done. Returns why there is no more.
local function hand_out(search, answer, most, worker)
  local bytes, last_entry = 0, search.progress.next_entry + ENTRIES_AT_ONCE
  while #answer < most and bytes < BYTES_AT_ONCE do
    if search.plan.cap > 0 and search.live >= search.plan.cap then return Reason.concurrency_limit end
    if out_of_budget(search) then return Reason.budget_spent end
    local number, trial, why = pick(search, last_entry)
    if not number then return Reason.waiting_for_results end
    local deadline_ms = grant(search, number, trial, worker)
    log_decision(search, 'assign', number, why)
    bytes = bytes + #(trial.config or '') + #trial.checkpoint
    answer[#answer + 1] = {
      number, trial.fencing_token, '', trial.from_length, trial.to_length, trial.next_length, trial.checkpoint,
      trial.bracket, trial.rung, trial.restarts, deadline_ms, stored_why(why, 1),
    }
  end
end

-- The answer with configurations, which never change and so are not remembered with it.
local function with_configs(search, answer)
  for i = 5, #answer do answer[i][3] = load_trial(search, answer[i][1]).config end
  return answer
end
