#!lua flags=allow-oom
-- heartbeat: once a second per bucket and worker; notices what happened to the server, and keeps its state warm.
--
-- KEYS  1 fence  2 document versions  3 state  4 draining  5 global version counter
-- ARGV  1 injected time  2 injected replication id  3 nonce  4 most fences  5 age of a fence in ms  6.. `applied` fields
-- Returns {"alive", clock, birth, replication id, floor, fences, born, time, number of fields, an offset or "" for each,
--          document, tokens, ...} | {"format"}
-- Atomic because: what it reports must be of one moment.
--@include state
--@include birth
--@include prune

local time = now(ARGV[1])
local nonce = tonumber(ARGV[3])
local state, born = birth(KEYS[1], KEYS[2], time, replication(ARGV[2]), nonce)
if state.format > FORMAT then return { 'format' } end
counter(KEYS[5], nonce - 1)
prune(KEYS[1], KEYS[2], state, time, tonumber(ARGV[4]), tonumber(ARGV[5]))

local reply = {
  'alive', state.clock, state.birth, state.replid, state.floor, redis.call('ZCARD', KEYS[1]) - 5, born and 1 or 0, time,
  #ARGV - 5,
}
for index = 6, #ARGV do
  local applied = redis.pcall('HGET', KEYS[3], ARGV[index])
  reply[#reply + 1] = type(applied) == 'string' and tonumber(applied) and applied or ''
end
local page = redis.pcall('HSCAN', KEYS[4], '0', 'COUNT', 100)
for _, item in ipairs(page.err and {} or page[2]) do reply[#reply + 1] = item end
return reply
