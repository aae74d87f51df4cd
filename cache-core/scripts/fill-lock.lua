#!lua
-- fill-lock: the right to fill one entry. Saves work; no invariant needs it.
--
-- KEYS  1 lock
-- ARGV  1 "acquire" | "renew" | "release"  2 token of the holder  3 TTL in ms
-- Returns 1 when the caller holds the lock (or held it, for a release), else 0
-- Atomic because: only the holder may renew or release.

local holder = redis.pcall('GET', KEYS[1])
if type(holder) == 'table' then
  redis.call('UNLINK', KEYS[1])
  holder = false
end
if ARGV[1] == 'acquire' and not holder then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
if holder ~= ARGV[2] then return 0 end
if ARGV[1] == 'release' then redis.call('UNLINK', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
