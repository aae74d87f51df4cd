#!lua flags=allow-oom
-- attach: begins to keep account of a partition whose history is unknown.
--
-- KEYS  1 fence  2 document versions  3 state  4 global version counter
-- ARGV  1 injected time  2 injected replication id  3 nonce  4 `applied` field  5 offset
--       6 "1": no barrier, the caller has made unservable what the lost events may have changed
-- Returns {"attached", previous offset or "", 1 if it became a barrier} | {"format"}
-- Atomic because: the barrier and the new account belong together.
-- Always writes, so that a later failover that loses it shows (H7, H22). A larger offset that is there already belongs to
-- another topic of this name: its events since then cannot be replayed, so the bucket is invalidated (H8).
--@include state
--@include birth

local time = now(ARGV[1])
local nonce = tonumber(ARGV[3])
local state = birth(KEYS[1], KEYS[2], time, replication(ARGV[2]), nonce)
if state.format > FORMAT then return { 'format' } end

local value = redis.pcall('HGET', KEYS[3], ARGV[4])
if type(value) == 'table' then redis.call('UNLINK', KEYS[3]) end
local previous = type(value) == 'string' and tonumber(value) or nil
local barrier = ARGV[6] ~= '1' and previous ~= nil and previous > tonumber(ARGV[5])
if barrier then
  local stamp = math.max(time, state.clock + 1)
  redis.call('ZADD', KEYS[1], text(stamp), ' clock', text(stamp), ' floor')
  raise(KEYS[4], nonce - 1)
end
redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
return { 'attached', previous and text(previous) or '', barrier and 1 or 0 }
