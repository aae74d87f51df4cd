#!lua flags=allow-oom
-- open: creates what is lost of the bucket's state and of a scope's version counters, and tells where the bucket stands.
--
-- KEYS  1 fence  2 document versions  3.. version counters: global, then one per namespace level
-- ARGV  1 injected time  2 injected replication id  3 nonce (2^51 to 2^53)  4 TTL of namespace counters in ms
-- Returns {"open", clock, birth, replication id, time, versions} | {"format"}
-- Atomic because: two callers must not give birth to two states.
--@include state
--@include birth

local time = now(ARGV[1])
local nonce = tonumber(ARGV[3])
local state = birth(KEYS[1], KEYS[2], time, replication(ARGV[2]), nonce)
if state.format > FORMAT then return { 'format' } end

local versions = {}
for index = 3, #KEYS do
  versions[index - 2] = counter(KEYS[index], nonce - index, index > 3 and ARGV[4] or nil)
end
return { 'open', state.clock, state.birth, state.replid, time, table.concat(versions, '.') }
