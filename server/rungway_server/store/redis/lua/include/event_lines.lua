-- Entries of the event log as an answer: the id, then what include/event.lua packed.
local function event_lines(answer, found)
  for _, entry in ipairs(found) do answer[#answer + 1] = { entry[1], unpack(cmsgpack.unpack(entry[2][2])) } end
end
