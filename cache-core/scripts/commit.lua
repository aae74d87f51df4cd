#!lua
-- commit: writes an entry if nothing it was built from changed since its lease (I2).
--
-- KEYS  1 entry (built from the versions of the lease, H1)  2 fence  3 document versions
--       4.. version counters (ARGV 1 of them), then one dependency set for each source
-- ARGV  1 number of version counters  2 "fenced" | "plain"  3 versions of the lease, joined by "."
--       4 clock  5 birth  6 replication id of the lease ("0" each where plain)
--       7 TTL in ms  8 TTL in ms of its dependency sets (longer where foreign writers share them)  9 TTL in ms of namespace counters
--       10 injected time  11 sampling: how many random members to look at  12 our dependency prefix
--       13 query  14 response  15 codec or ""  16 sources as JSON  17.. pairs: source, its version or ""
-- Returns {"written"} | {"refused", reason} | {"refused", "changed", document, stamp} | {"refused", "version", versions}
-- Atomic because: a change between the check and the write is the late write that this product exists to refuse.
-- The HASH is written last: whatever aborts the script before leaves only listings of an entry that is not there (H14).
--@include state
--@include entries

local counters = tonumber(ARGV[1])
local first_set = 4 + counters
local fenced = ARGV[2] == 'fenced'

local state = standing(KEYS[2])
if not state then return { 'refused', 'lost' } end
if state.format > FORMAT then return { 'refused', 'format' } end

local values = redis.call('MGET', unpack(KEYS, 4, first_set - 1))
for _, value in ipairs(values) do
  if not value or not string.find(value, '^%d+$') then return { 'refused', 'lost' } end
end
local versions = table.concat(values, '.')
if versions ~= ARGV[3] then return { 'refused', 'version', versions } end

local sources, known = {}, {}
local versioned = false
for index = 17, #ARGV, 2 do
  sources[#sources + 1] = ARGV[index]
  known[#sources] = tonumber(ARGV[index + 1])
  versioned = versioned or known[#sources] ~= nil
end

local fences = {}
if #sources > 0 then fences = redis.call('ZMSCORE', KEYS[2], unpack(sources)) end

if fenced then
  local clock = tonumber(ARGV[4])
  -- A lease from beyond the clock was given out by a server whose last writes are lost.
  if tonumber(ARGV[5]) ~= state.birth or tonumber(ARGV[6]) ~= state.replid or clock > state.clock then
    return { 'refused', 'lost' }
  end
  if clock < state.floor then return { 'refused', 'old' } end
  for index, source in ipairs(sources) do
    local fence = tonumber(fences[index])
    if fence and fence > clock then return { 'refused', 'changed', source, text(fence) } end
  end
end

-- R9: an answer read from a replica that has not seen the change yet. Versions of a document that changed before
-- ` since` may be lost; for five minutes that is refused, longer than replicas lag.
if versioned then
  local floors = redis.pcall('ZMSCORE', KEYS[3], ' since', unpack(sources))
  local since = not floors.err and tonumber(floors[1])
  if not since then return { 'refused', 'lost' } end
  for index, source in ipairs(sources) do
    local floor, fence = tonumber(floors[index + 1]), tonumber(fences[index])
    if known[index] and floor and known[index] < floor then
      return { 'refused', 'changed', source, text(fence or since) }
    end
    if known[index] and not floor and fence and fence <= since and now(ARGV[10]) < since + 300000000 then
      return { 'refused', 'lost' }
    end
  end
end

-- All dependency sets must be sets before anything is written.
for index = first_set, #KEYS do
  local kind = redis.call('TYPE', KEYS[index]).ok
  if kind ~= 'set' and kind ~= 'none' then return { 'refused', 'wrong-type' } end
end

local named = {}
for index = first_set, #KEYS do named[KEYS[index]] = true end
local before = redis.pcall('HGET', KEYS[1], 'sources')
for _, source in ipairs(type(before) == 'string' and before ~= ARGV[16] and parse(before) or {}) do
  local set = ARGV[12] .. source
  if not named[set] then redis.pcall('SREM', set, KEYS[1]) end
end
redis.call('UNLINK', KEYS[1])

for index = first_set, #KEYS do
  local set = KEYS[index]
  redis.call('SADD', set, KEYS[1])
  -- The set must outlive its members (R21), foreign ones too. GT does nothing to a set without a TTL (H16).
  if redis.call('PEXPIRE', set, ARGV[8], 'GT') == 0 then redis.call('PEXPIRE', set, ARGV[8], 'NX') end
end
for index = 5, first_set - 1 do redis.call('PEXPIRE', KEYS[index], ARGV[9], 'GT') end

local fields = { 'query', ARGV[13], 'response', ARGV[14], 'sources', ARGV[16] }
if ARGV[15] ~= '' then
  fields[#fields + 1] = 'codec'
  fields[#fields + 1] = ARGV[15]
end
if fenced then
  fields[#fields + 1] = 'lease'
  fields[#fields + 1] = table.concat({ FORMAT, ARGV[4], ARGV[5], ARGV[6], seal(ARGV[16]) }, ':')
end
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('PEXPIRE', KEYS[1], ARGV[7])

-- Dead members (entries that expired) leave the sets a few at a time, paid for by those who write (I8).
local sampling = tonumber(ARGV[11])
local samples, members = {}, {}
for index = first_set, sampling > 0 and #KEYS or 0 do
  samples[index] = redis.call('SRANDMEMBER', KEYS[index], sampling)
  for _, member in ipairs(samples[index]) do members[#members + 1] = member end
end
-- Mostly all of them are there, which one EXISTS tells.
if #members > 0 and redis.pcall('EXISTS', unpack(members)) ~= #members then
  for index = first_set, #KEYS do
    for _, member in ipairs(samples[index]) do
      if redis.pcall('EXISTS', member) == 0 then redis.call('SREM', KEYS[index], member) end
    end
  end
end
return { 'written' }
