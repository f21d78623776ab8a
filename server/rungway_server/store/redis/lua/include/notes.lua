-- What a call did that its answer does not say, for those who count or log: {'again', index} of a result answered from
-- memory, {'lapsed', trial, worker, 1 = requeued, restarts} of a lease taken back, {'ended', state, outcome} of a trial
-- that will not be trained again.
-- Gives  add_note, with_notes
local function add_note(search, ...)
  search.notes = search.notes or {}
  search.notes[#search.notes + 1] = { ... }
end

-- The answer; with its notes, if there are any: {'noted', notes, answer}.
local function with_notes(search, answer)
  return search.notes and { 'noted', search.notes, answer } or answer
end
