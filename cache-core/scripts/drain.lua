#!lua flags=allow-oom
-- drain: deletes a bounded number of the entries of a taken dependency set.
--
-- KEYS  1 fence  2 draining  3 drain set
-- ARGV  1 injected replication id  2 replication id that the cursor belongs to, or ""  3 cursor  4 count
--       5 document  6 token `<birth>.<replication id>:<stamp>:<n>`  7 entry prefix  8 bucket tag
--       9 the document's dependency set as it is now, of our prefix. Not a key that is declared: mostly there is none, and
--         while the slot moves to another server a step that declares a key which is not here is refused
-- Returns {"more" | "finished", cursor, replication id, deleted, kept} | {"restart"} | {"format"}
-- Atomic because: an entry rewritten between the look at its lease and its deletion would be lost for nothing.
-- The set never changes after it was taken, so the cursor is carried (starting at 0 each time would stop early), two
-- workers at once do no harm, and a crash is repaired by whoever starts again at 0. On another server a cursor is void
-- (H12). A listing saves nobody: a foreign SADD after the barrier must not keep a stale entry (H9). It only tells whose
-- lease is worth a look, since whoever was written again for this document is listed again: mostly nobody is.
--@include state
--@include members

if newer(KEYS[1]) then return { 'format' } end
local replid = replication(ARGV[1])
if ARGV[3] ~= '0' and tonumber(ARGV[2]) ~= replid then return { 'restart' } end

local birth, origin, stamp = string.match(ARGV[6], '^(%d+)%.(%d+):(%d+):')
birth, origin, stamp = tonumber(birth), tonumber(origin), tonumber(stamp)

-- Written again after the barrier: the lease is of the same id and not older than the stamp.
local function younger(member)
  local lease = redis.pcall('HGET', member, 'lease')
  if type(lease) ~= 'string' then return false end
  local clock, lease_birth, lease_replid = string.match(lease, '^%d+:(%d+):(%d+):(%d+):')
  return clock and tonumber(lease_birth) == birth and tonumber(lease_replid) == origin and tonumber(clock) >= stamp
end

local deleted, kept = 0, 0
local page = redis.pcall('SSCAN', KEYS[3], ARGV[3], 'COUNT', ARGV[4])
if page.err then page = { '0', {} } end
local entries = entries_of(page[2], ARGV[7], ARGV[8])
local maybe_younger = #entries > 0 and redis.pcall('EXISTS', ARGV[9]) == 1
for from = 1, #entries, 1000 do
  local to = math.min(from + 999, #entries)
  local listed = maybe_younger and redis.pcall('SMISMEMBER', ARGV[9], unpack(entries, from, to)) or {}
  local dead = {}
  for index = from, to do
    if listed[index - from + 1] == 1 and younger(entries[index]) then
      kept = kept + 1
    else
      dead[#dead + 1] = entries[index]
    end
  end
  -- While the slot moves to another server, a single key that is not here looks like one that is gone; two do not (H13).
  if #dead == 1 then redis.call('EXISTS', KEYS[2], dead[1]) end
  if #dead > 0 then deleted = deleted + redis.call('UNLINK', unpack(dead)) end
end
if page[1] ~= '0' then return { 'more', page[1], replid, deleted, kept } end

redis.call('UNLINK', KEYS[3])
local tokens = redis.pcall('HGET', KEYS[2], ARGV[5])
if type(tokens) == 'string' then
  local rest = {}
  for token in string.gmatch(tokens, '%S+') do
    if token ~= ARGV[6] then rest[#rest + 1] = token end
  end
  if #rest > 0 then redis.call('HSET', KEYS[2], ARGV[5], table.concat(rest, ' ')) else redis.call('HDEL', KEYS[2], ARGV[5]) end
end
return { 'finished', '0', replid, deleted, kept }
