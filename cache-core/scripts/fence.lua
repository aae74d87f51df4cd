#!lua flags=allow-oom
-- fence: the first thing that invalidate does, alone: no entry with a lease is served any more that depends on these
-- documents. For a bucket whose slot moves to another server: a script on one key runs at either end, one on many keys
-- nowhere. The rest is done by invalidate, later, and nothing is acknowledged before.
--
-- KEYS  1 fence
-- ARGV  1 injected time  2 injected replication id  3 nonce  4.. documents
-- Returns {"fenced", stamp} | {"format"}
-- Atomic because: the clock and the fences under it must not be seen apart.
--@include state
--@include birth

local time = now(ARGV[1])
local state = birth_of_fences(KEYS[1], time, replication(ARGV[2]), tonumber(ARGV[3]))
if state.format > FORMAT then return { 'format' } end

local stamp = math.max(time, state.clock + 1)
local fences = { text(stamp), ' clock' }
for index = 4, #ARGV do
  fences[#fences + 1] = text(stamp)
  fences[#fences + 1] = ARGV[index]
end
redis.call('ZADD', KEYS[1], unpack(fences))
return { 'fenced', stamp }
