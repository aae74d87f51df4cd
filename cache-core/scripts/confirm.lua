#!lua flags=allow-oom
-- confirm: moves the freshness watermark on, if nothing is missing.
--
-- KEYS  1 fence  2 state  3 freshness watermark
-- ARGV  1 injected time  2 injected replication id
--       3 the moment claimed, in microseconds, or "" for none  4 its birth  5 its replication id
--       6.. pairs: `applied` field, end of the log
-- Returns {"standing", time, birth, replication id, 1 if the claim holds, watermark or "", an offset or "" for each pair}
--       | {"lost"} | {"format"}
-- Atomic because: the watermark must not outlive what it stands on; `applied` and the ids are compared as it is written.
-- The ends were asked for after the moment, so that whatever was in the log by then lies below them. All partitions count,
-- those that nobody owns too. A claim that comes late is as true as it was. Only forward, unless the watermark that is
-- there is of another server or birth, or of a time that has not come.
--@include state
--@include watermark

local time, replid = now(ARGV[1]), replication(ARGV[2])
local state = standing(KEYS[1])
if not state then return { 'lost' } end
if state.format > FORMAT then return { 'format' } end

local at = tonumber(ARGV[3])
local holds = at ~= nil and at <= time and tonumber(ARGV[4]) == state.birth and tonumber(ARGV[5]) == replid
local offsets = {}
for index = 6, #ARGV, 2 do
  local value = redis.pcall('HGET', KEYS[2], ARGV[index])
  local applied = type(value) == 'string' and tonumber(value) or nil
  -- Where the log is empty, nothing can be missing.
  if (applied or 0) < tonumber(ARGV[index + 1]) then holds = false end
  offsets[#offsets + 1] = applied and value or ''
end

local mark = watermark(KEYS[3])
if mark and (mark.replid ~= replid or mark.birth ~= state.birth or mark.at > time) then mark = nil end
if holds and not (mark and mark.at >= at) then
  redis.call('SET', KEYS[3], text(replid) .. ':' .. text(state.birth) .. ':' .. text(at))
  mark = { at = at }
end
local reply = { 'standing', time, state.birth, replid, holds and 1 or 0, mark and text(mark.at) or '' }
for _, offset in ipairs(offsets) do reply[#reply + 1] = offset end
return reply
