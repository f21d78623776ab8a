-- Words as they are stored, in the event log and in remembered answers: as the place where they begin here. None ever moves: new
-- words go to the end. (One text: to join two takes longer than all else that a script does before it runs.)
local WORDS = ' assign pause new_trial promoted not_promoted completed stop continue stopped_at_rung release retry failed invalid requeued enqueued cloned preempted experiment_paused experiment_stopped search_done target_reached finished failing '

local function code_of(word) return WORDS:find(' ' .. word .. ' ', 1, true) or word end

local function word_of(code) return type(code) == 'number' and WORDS:match('[%a_]+', code) or code end

-- An explanation as it is stored, given by a list and where it begins in it.
local function stored_why(list, at) return code_of(list[at]), unpack(list, at + 1) end
