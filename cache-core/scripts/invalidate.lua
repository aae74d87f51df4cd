#!lua flags=allow-oom
-- invalidate: from its end on, nothing that depends on these documents is served.
--
-- KEYS  1 fence  2 document versions  3 state  4 draining  5 global version counter
--       6.. one version counter for each scope, then for each document its dependency sets (one per prefix)
-- ARGV  1 injected time  2 injected replication id  3 nonce
--       4 `applied` field or "" (not from a log)  5 previous offset  6 next offset  7 "1": barrier for the whole bucket
--       8 entry prefix  9 bucket tag  10 drain prefix  11 most members deleted at once from a set  12 most of a call
--       13 most fences  14 age of a fence in ms  15 TTL of namespace counters in ms
--       16 number of scopes  17 number of documents  18 number of dependency prefixes
--       19.. an offset or "" for each scope, then pairs: document, its version or ""
-- Returns {"applied", stamp, deleted, raised, pruned, born, barrier, document, tokens, document, tokens, ...}
--       | {"rollback", applied} | {"format"}
-- Atomic because: between a fence and the loss of the listing an entry could be committed and listed again.
-- May run when memory is full: it frees some (H17). Runs twice, late, or on a zombie: everything it does only widens (I6).
-- `applied` is written last: an aborted call is repeated.
--@include state
--@include birth
--@include prune
--@include members

local time = now(ARGV[1])
local nonce = tonumber(ARGV[3])
local state, born = birth(KEYS[1], KEYS[2], time, replication(ARGV[2]), nonce)
if state.format > FORMAT then return { 'format' } end

local barrier = ARGV[7] == '1'
local applied
if ARGV[4] ~= '' then
  local value = redis.pcall('HGET', KEYS[3], ARGV[4])
  if type(value) == 'table' then redis.call('UNLINK', KEYS[3]) end
  applied = type(value) == 'string' and tonumber(value) or nil
  if applied and applied < tonumber(ARGV[5]) then return { 'rollback', applied } end
  -- This worker applied something that nobody remembers: what else is lost cannot be known (H7).
  if not applied and tonumber(ARGV[5]) > 0 then barrier = true end
end

local stamp = math.max(time, state.clock + 1)
local scopes, documents, prefixes = tonumber(ARGV[16]), tonumber(ARGV[17]), tonumber(ARGV[18])
local first_document = 19 + scopes
local stamp_text = text(stamp)
local fences, versions = { stamp_text, ' clock' }, {}
local ids = {}
for index = 1, documents do
  local id, version = ARGV[first_document + 2 * (index - 1)], ARGV[first_document + 2 * index - 1]
  ids[index] = id
  fences[2 * index + 1] = stamp_text
  fences[2 * index + 2] = id
  if version ~= '' then
    versions[#versions + 1] = version
    versions[#versions + 1] = id
  end
end
if barrier then
  state.floor = stamp
  fences[#fences + 1] = text(stamp)
  fences[#fences + 1] = ' floor'
end
redis.call('ZADD', KEYS[1], unpack(fences))
if #versions > 0 then redis.call('ZADD', KEYS[2], 'GT', unpack(versions)) end

local deleted, looked_at = 0, 0
local inline, budget = tonumber(ARGV[11]), tonumber(ARGV[12])
local id_prefix = text(state.birth) .. '.' .. text(state.replid) .. ':' .. stamp_text .. ':'
local taken = {}

-- Deletions are collected: one UNLINK for many documents.
local sets, entries = {}, {}
local function flush()
  -- Together: while the slot moves to another server, an entry that is not here aborts the script, and the set that is
  -- still there tells the next try of it (H13).
  for _, set in ipairs(sets) do entries[#entries + 1] = set end
  if #entries > 0 then deleted = deleted + redis.call('UNLINK', unpack(entries)) - #sets end
  sets, entries = {}, {}
end

-- Often nothing depends on any of the documents, or nobody writes under a prefix: one EXISTS instead of a look at each set.
local present = {}
for prefix = 1, documents > 0 and prefixes or 0 do
  local keys = {}
  for index = 1, documents do keys[index] = KEYS[5 + scopes + (index - 1) * prefixes + prefix] end
  present[prefix] = redis.call('EXISTS', unpack(keys)) > 0
end

for index = 1, documents do
  for prefix = 1, prefixes do
    local set = KEYS[5 + scopes + (index - 1) * prefixes + prefix]
    -- One member more than may be deleted at once tells that there are more; fewer are all of them.
    local members = present[prefix] and redis.pcall('SRANDMEMBER', set, inline + 1) or {}
    local size = #members
    if members.err then
      redis.call('UNLINK', set)
    elseif size > 0 and size <= inline and looked_at + size <= budget then
      sets[#sets + 1] = set
      entries_of(members, ARGV[8], ARGV[9], entries)
      looked_at = looked_at + size
      if #entries > 500 then flush() end
    elseif size > 0 then
      local token = id_prefix .. prefix
      local drain = ARGV[10] .. token .. ':' .. ids[index]
      redis.call('RENAME', set, drain)
      -- A set that foreign writers made may have no TTL; should its registry line be lost, nobody would ever drain it (I8).
      redis.call('PEXPIRE', drain, ARGV[14], 'NX')
      taken[ids[index]] = (taken[ids[index]] and taken[ids[index]] .. ' ' or '') .. token
    end
  end
end
flush()

-- Drains of these documents that are registered already belong to this call too, whoever started them (H11).
local drains = {}
if documents > 0 then
  local registered = redis.pcall('HMGET', KEYS[4], unpack(ids))
  if registered.err then
    redis.call('UNLINK', KEYS[4])
    registered = {}
  end
  for index = 1, documents do
    local id, tokens = ids[index], registered[index] or nil
    if taken[id] then
      tokens = (tokens and tokens .. ' ' or '') .. taken[id]
      redis.call('HSET', KEYS[4], id, tokens)
    end
    if tokens then
      drains[#drains + 1] = id
      drains[#drains + 1] = tokens
    end
  end
end

-- A replay does not raise versions again: they and `applied` are lost together or not at all.
local raised = 0
for index = 1, scopes do
  local offset = tonumber(ARGV[18 + index])
  local key = KEYS[5 + index]
  if not offset or not applied or offset >= applied then
    raised = raised + 1
    raise(key, nonce - raised, key ~= KEYS[5] and ARGV[15] or nil)
  end
end
if barrier then
  raised = raised + 1
  raise(KEYS[5], nonce - raised)
end

state.clock = stamp
local pruned = prune(KEYS[1], KEYS[2], state, time, tonumber(ARGV[13]), tonumber(ARGV[14]))
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[3], ARGV[4], text(math.max(applied or 0, tonumber(ARGV[6]))))
end

local reply = { 'applied', stamp, deleted, raised, pruned, born and 1 or 0, barrier and 1 or 0 }
for _, item in ipairs(drains) do reply[#reply + 1] = item end
return reply
