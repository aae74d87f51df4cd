#!lua
-- fill-lock: the right to fill one entry. Saves work; no invariant needs it.
--
-- KEYS  1 fence  2 lock
-- ARGV  1 "acquire" | "renew" | "release"  2 token of the holder  3 TTL in ms
-- Returns {"held"} (for a release: was held) | {"taken"} by another, or by nobody any more | {"format"}
-- Atomic because: only the holder may renew or release.
--@include state

if newer(KEYS[1]) then return { 'format' } end
local holder = redis.pcall('GET', KEYS[2])
if type(holder) == 'table' then
  redis.call('UNLINK', KEYS[2])
  holder = false
end
if ARGV[1] == 'acquire' and not holder then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
  return { 'held' }
end
if holder ~= ARGV[2] then return { 'taken' } end
if ARGV[1] == 'release' then redis.call('UNLINK', KEYS[2]) else redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
return { 'held' }
