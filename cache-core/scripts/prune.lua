-- Forgetting fences: by count and by age, a bounded number at a time. The floor rises to the highest stamp forgotten, so
-- that a lease from before is refused (`old`) instead of believed. Returns how many were forgotten.
local function prune(fence, document_versions, state, time, most, age)
  -- The five members of the system may be anywhere among the lowest.
  local function first(members, count)
    local documents = {}
    for _, member in ipairs(members) do
      if #documents < count and string.sub(member, 1, 1) ~= ' ' then documents[#documents + 1] = member end
    end
    return documents
  end
  local excess = math.min(redis.call('ZCARD', fence) - 5 - most, 1000)
  local documents = first(redis.call('ZRANGEBYSCORE', fence, '-inf', text(time - age * 1000), 'LIMIT', 0, 1005), 1000)
  if excess > #documents then documents = first(redis.call('ZRANGE', fence, 0, excess + 4), excess) end
  if #documents == 0 then return 0 end
  local highest = tonumber(redis.call('ZSCORE', fence, documents[#documents]))
  state.floor = math.max(state.floor, highest)
  redis.call('ZADD', fence, text(state.floor), ' floor')
  redis.call('ZREM', fence, unpack(documents))
  redis.call('ZREM', document_versions, unpack(documents))
  return #documents
end
