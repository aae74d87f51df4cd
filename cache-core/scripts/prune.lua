-- Forgetting fences: by count and by age, a bounded number at a time. The floor rises to the highest stamp forgotten, so
-- that a lease from before is refused (`old`) instead of believed. Returns how many were forgotten.
local function prune(fence, document_versions, state, time, most, age)
  local excess = redis.call('ZCARD', fence) - 5 - most
  local old = redis.call('ZRANGEBYSCORE', fence, '-inf', text(time - age * 1000), 'LIMIT', 0, 1000)
  if excess > #old then old = redis.call('ZRANGE', fence, 0, math.min(excess, 1000) + 4) end
  local documents = {}
  for _, document in ipairs(old) do
    if string.sub(document, 1, 1) ~= ' ' then documents[#documents + 1] = document end
  end
  if #documents == 0 then return 0 end
  local highest = tonumber(redis.call('ZSCORE', fence, documents[#documents]))
  state.floor = math.max(state.floor, highest)
  redis.call('ZADD', fence, text(state.floor), ' floor')
  redis.call('ZREM', fence, unpack(documents))
  redis.call('ZREM', document_versions, unpack(documents))
  return #documents
end
