#!lua
-- configure: the deployment record. The first to come writes it; fields that are missing are added, none is changed.
--
-- KEYS  1 config
-- ARGV  pairs: field, value
-- Returns field, value, ... of what is there now
-- Atomic because: two programs that start at once must read the same record.

for index = 1, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[index], ARGV[index + 1]) end
return redis.call('HGETALL', KEYS[1])
