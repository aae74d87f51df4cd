-- The freshness watermark, `<replication id>:<birth>:<microseconds>`: everything that was in the log before this time of
-- this server is applied in this incarnation of the bucket. Anything else is none.

local function watermark(key)
  local value = redis.pcall('GET', key)
  if type(value) ~= 'string' then return nil end
  local replid, birth, at = string.match(value, '^(%d+):(%d+):(%d+)$')
  return at and { replid = tonumber(replid), birth = tonumber(birth), at = tonumber(at) }
end
