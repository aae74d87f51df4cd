#!lua
-- configure: the deployment record. The first to come writes it; fields that are missing are added, none is changed.
-- A record of a newer format is not ours to complete.
--
-- KEYS  1 config
-- ARGV  pairs: field, value
-- Returns field, value, ... of what is there now; of a newer format when the field `format` says so
-- Atomic because: two programs that start at once must read the same record.
--@include state

local format = tonumber(redis.call('HGET', KEYS[1], 'format') or '')
if not format or format <= FORMAT then
  for index = 1, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[index], ARGV[index + 1]) end
end
return redis.call('HGETALL', KEYS[1])
