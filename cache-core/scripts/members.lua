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

-- The entries among the members, appended to `entries`. Members that begin alike are alike: what is_entry said of one
-- holds for all of the same version.
local known_head = nil
local function entries_of(members, prefix, tag, entries)
  entries = entries or {}
  local head_size = #prefix + 7
  for _, member in ipairs(members) do
    local head = string.sub(member, 1, head_size)
    if head == known_head then
      entries[#entries + 1] = member
    elseif is_entry(member, prefix, tag) then
      entries[#entries + 1] = member
      if tag == '' and string.sub(head, -7) ~= 'version' then known_head = head end
    end
  end
  return entries
end
