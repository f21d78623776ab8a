-- Packs the plan that Python wrote as JSON: the fields of META that scripts read it from.
local function packed_plan(json)
  local parts = cjson.decode(json)
  -- a sort key, which JSON can hold in hexadecimal digits only
  parts.plan.target = parts.plan.target:gsub('..', function(digits) return string.char(tonumber(digits, 16)) end)
  return parts, cmsgpack.pack(parts.plan), cmsgpack.pack(parts.ladder)
end
