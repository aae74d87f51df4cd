-- A member of a dependency set is deleted only when it is an entry of this bucket: whatever an event or a foreign SADD
-- names, no other key is reached, and no version counter (H20).
local function is_entry(member, prefix, tag)
  if string.sub(member, 1, #prefix) ~= prefix or not string.find(member, tag, 1, true) then return false end
  local rest = string.sub(member, #prefix + 1)
  return rest ~= 'version' and string.sub(rest, 1, 8) ~= 'version:'
end
