-- Every script that may write state begins with this: what is lost is born anew, what another server says is taken over.
--
-- A birth drops all fences and raises the floor to the clock: every lease of an earlier birth is refused from now on, and
-- entries of one are judged by the other witness, or are misses (I4). The clock never falls behind the one that is there.
-- Only another replication id (a promotion) replaces just that: the fences that the new server has are true.

-- Returns the state and whether it was born; state.format may be newer than FORMAT: then nothing was done.
local function birth_of_fences(fence, time, replid, nonce)
  local scores = redis.pcall('ZMSCORE', fence, ' format', ' clock', ' birth', ' replid', ' floor')
  if scores.err then
    redis.call('UNLINK', fence)
    scores = {}
  end
  local format = tonumber(scores[1])
  if format and format > FORMAT then return { format = format }, false end

  local state = understood(scores)
  local born = not state
  if born then
    local clock = math.max(time, (tonumber(scores[2]) or 0) + 1)
    state = { format = FORMAT, clock = clock, birth = nonce, replid = replid, floor = clock }
    redis.call('UNLINK', fence)
    redis.call('ZADD', fence, FORMAT, ' format', text(clock), ' clock', text(nonce), ' birth',
      text(replid), ' replid', text(clock), ' floor')
  elseif state.replid ~= replid then
    state.replid = replid
    redis.call('ZADD', fence, text(replid), ' replid')
  end
  return state, born
end

local function birth(fence, document_versions, time, replid, nonce)
  local state, born = birth_of_fences(fence, time, replid, nonce)
  if state.format > FORMAT then return state, born end

  -- Document versions can be lost while the fences survive. ` since` says from when on they are known (R9).
  local since = redis.pcall('ZSCORE', document_versions, ' since')
  if not since or type(since) == 'table' then
    redis.call('UNLINK', document_versions)
    redis.call('ZADD', document_versions, text(state.clock), ' since')
  end
  return state, born
end

-- Version counters: a missing or foreign one gets a value that was never used (H3), below 2^53 so that INCR still works.
-- Returns the value there is now.
local function counter(key, nonce, ttl)
  local value = redis.pcall('GET', key)
  if type(value) == 'string' and string.find(value, '^%d+$') then return value end
  value = text(nonce)
  if ttl then redis.call('SET', key, value, 'PX', ttl) else redis.call('SET', key, value) end
  return value
end

-- Makes it another value than any before. A key that INCR cannot raise becomes one never used, like a missing one.
local function raise(key, nonce, ttl)
  if type(redis.pcall('GET', key)) == 'string' and type(redis.pcall('INCR', key)) == 'number' then
    if ttl then redis.call('PEXPIRE', key, ttl, 'GT') end
  elseif ttl then
    redis.call('SET', key, text(nonce), 'PX', ttl)
  else
    redis.call('SET', key, text(nonce))
  end
end
