#!lua flags=no-writes
-- read: is this entry alive?
--
-- KEYS  1 entry (built from the versions in ARGV 2)  2 fence  3.. version counters: global, then one per namespace level
--       with demands, at the end: state  freshness watermark
-- ARGV  1 query  2 versions that the caller knows, joined by "."  3 "1" where foreign writers share the keys
--       4 injected time  5 "" without demands; else the number of records that must have been applied, and then:
--         6 longest staleness in microseconds or ""  7 injected replication id  8.. pairs: `applied` field, offset
--       at the end: dependency prefixes, ours first
-- Returns {"hit", response, sources as JSON, codec or ""} | {"miss", clock, birth, replication id, time[, unmet demand]}
--       | {"moved", versions} | {"lost"} | {"format"}
-- Atomic because: the versions, the fences, the entry and what is demanded must be of one moment (I1).
--
-- Two witnesses. The fences: none of the sources changed since the lease, and all changes since then are still known.
-- Where they are not all known: every dependency set still lists the entry, since a change takes the set away.
--
-- The first part only says `hit`, and only where all is plain: format 1, our own sources as they were sealed, complete
-- fences. It is a third faster than the second part, which judges everything else, and defines what is right.
-- Whoever demands something is judged there.

local demanding = ARGV[5] ~= ''
local watermark_key = demanding and table.remove(KEYS)
local state_key = demanding and table.remove(KEYS)

local versions = redis.pcall('GET', KEYS[3])
if KEYS[4] then
  local counters = redis.call('MGET', unpack(KEYS, 3))
  for _, counter in ipairs(counters) do
    if not counter or not string.find(counter, '^%d+$') then return { 'lost' } end
  end
  versions = table.concat(counters, '.')
elseif type(versions) ~= 'string' or not string.find(versions, '^%d+$') then
  return { 'lost' }
end
if versions ~= ARGV[2] then return { 'moved', versions } end

local entry = demanding and {} or redis.pcall('HMGET', KEYS[1], 'query', 'response', 'sources', 'codec', 'lease')
local json, own = entry[3], entry[5]
local mark = json and string.sub(redis.sha1hex(json), 1, 16)
-- Without a backslash a quotation mark is where a source begins or ends.
if own and mark and string.sub(own, -16) == mark and entry[2] and entry[1] == ARGV[1]
    and not string.find(json, '\\', 1, true) then
  local sources, count = {}, 0
  for source in string.gmatch(json, '"([^"]*)"') do
    count = count + 1
    sources[count] = source
  end
  local scores = count <= 1000
    and redis.pcall('ZMSCORE', KEYS[2], ' format', ' clock', ' birth', ' replid', ' floor', unpack(sources)) or {}
  if scores[1] == '1' and scores[2] and scores[3] and scores[4] and scores[5] then
    -- Scores are text as the server gave them: the ids are the same if the text is. (If they are and the text is not, the
    -- second part says so.)
    local rest = ':' .. scores[3] .. ':' .. scores[4] .. ':' .. mark
    local clock = string.sub(own, 1, 2) == '1:' and string.sub(own, -#rest) == rest
      and tonumber(string.sub(own, 3, -#rest - 1))
    -- A source that is empty or begins with a space is none.
    local alive = clock and clock >= tonumber(scores[5])
      and not string.find(json, '""', 1, true) and not string.find(json, '" ', 1, true)
    for index = 6, alive and 5 + count or 0 do
      local fence = scores[index]
      if fence and tonumber(fence) > clock then alive = false end
    end
    if alive then return { 'hit', entry[2], json, entry[4] or '' } end
  end
end

--@include state
--@include entries
--@include watermark

local state
local unmet

local function miss()
  state = state or standing(KEYS[2])
  if not state then return { 'lost' } end
  if state.format > FORMAT then return { 'format' } end
  return { 'miss', state.clock, state.birth, state.replid, now(ARGV[4]), unmet }
end

local first_prefix = 6
if demanding then
  local records = tonumber(ARGV[5])
  first_prefix = 8 + 2 * records

  local function behind()
    if records == 0 then return false end
    local fields = {}
    for index = 1, records do fields[index] = ARGV[6 + 2 * index] end
    local applied = redis.pcall('HMGET', state_key, unpack(fields))
    for index = 1, records do
      -- `applied` is the offset after the last one.
      local next_offset = tonumber(applied[index])
      if not next_offset or next_offset <= tonumber(ARGV[7 + 2 * index]) then return true end
    end
    return false
  end

  -- The server itself is asked for its id: after a promotion nobody may have told the fences of it yet, and neither the
  -- clock of the watermark nor what was applied by then need be this server's. Time that lies ahead is of another clock.
  local function unconfirmed()
    if ARGV[6] == '' then return false end
    local standing_now, mark = standing(KEYS[2]), watermark(watermark_key)
    if not standing_now or not mark or mark.birth ~= standing_now.birth then return true end
    local age = now(ARGV[4]) - mark.at
    return mark.replid ~= replication(ARGV[7]) or age < 0 or age > tonumber(ARGV[6])
  end

  unmet = behind() and 'behind' or unconfirmed() and 'unconfirmed' or nil
  if unmet then return miss() end
  entry = redis.pcall('HMGET', KEYS[1], 'query', 'response', 'sources', 'codec', 'lease')
end

if entry.err or entry[1] ~= ARGV[1] or not entry[2] then return miss() end

local sources = parse(entry[3])
if not sources then return miss() end
local lease = unpack_lease(entry[5])
if entry[5] and not lease then return miss() end
if lease and lease.format > FORMAT then return miss() end

local scores = redis.pcall('ZMSCORE', KEYS[2], ' format', ' clock', ' birth', ' replid', ' floor', unpack(sources))
if scores.err then return { 'lost' } end
state = understood(scores)
if state and state.format > FORMAT then return { 'format' } end

local function listed()
  for _, source in ipairs(sources) do
    local found = false
    for prefix = first_prefix, #ARGV do
      if redis.pcall('SISMEMBER', ARGV[prefix] .. source, KEYS[1]) == 1 then
        found = true
        break
      end
    end
    if not found then return false end
  end
  return true
end

local alive
if not lease then
  alive = listed()
else
  -- A fence above the lease counts whatever the ids are: fences survive a promotion (H23).
  for index = 1, #sources do
    local fence = tonumber(scores[5 + index])
    if fence and fence > lease.clock then return miss() end
  end
  local same_birth = state and state.birth == lease.birth and lease.clock >= state.floor
  if same_birth and state.replid == lease.replid and lease.seal == seal(entry[3]) then
    alive = true
  elseif not same_birth and ARGV[3] == '1' then
    -- A foreign SADD may list again what a lost fence had hidden (H10, H24).
    alive = false
  else
    alive = listed()
  end
end
if not alive then return miss() end

return { 'hit', entry[2], entry[3], entry[4] or '' }
