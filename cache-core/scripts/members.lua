-- A member of a dependency set is deleted only when it is an entry of this bucket: whatever an event or a foreign SADD
-- names, no other key is reached, and no version counter (H20).
local function is_entry(member, prefix, tag)
  if string.sub(member, 1, #prefix) ~= prefix then return false end
  -- The first brace decides the slot; a key of another one would abort the script.
  local brace = tag == '' and 0 or string.find(member, '{', 1, true)
  if not brace or tag ~= '' and string.sub(member, brace, brace + #tag - 1) ~= tag then return false end
  local rest = string.sub(member, #prefix + 1)
  return rest ~= 'version' and string.sub(rest, 1, 8) ~= 'version:'
end
