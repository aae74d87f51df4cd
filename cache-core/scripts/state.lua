-- What all scripts share: the state that judges entries.
--
-- The fence key is one ZSET that is there or lost as a whole. Its members that start with a space belong to the system
-- (no document id may start with one): ` format`, ` clock`, ` birth`, ` replid`, ` floor`. Every other member is a
-- document, its score the stamp of its last change.
--
-- Numbers of up to 53 bits: `..` would print them with 14 digits, so every number that becomes text goes through text().

local FORMAT = 1

-- For scripts that need nothing else of the state: whether the keys are of a newer format, and so not ours to touch.
local function newer(fence)
  local format = redis.pcall('ZSCORE', fence, ' format')
  return type(format) == 'string' and tonumber(format) > FORMAT
end

local function text(number)
  return string.format('%.0f', number)
end

-- Server time in microseconds. Tests inject one; in production `injected` is empty.
local function now(injected)
  if injected ~= '' then return tonumber(injected) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- 52 bits of the server's replication id: another server (a promotion) or another run of it has another one.
-- 0 where an ACL forbids INFO: promotions are not noticed then.
local function replication(injected)
  if injected ~= '' then return tonumber(injected) end
  local info = redis.pcall('INFO', 'replication')
  local id = type(info) == 'string' and string.match(info, 'master_replid:(%x+)')
  return id and tonumber(string.sub(id, 1, 13), 16) or 0
end

-- The bucket's state, `scores` being the replies for ' format', ' clock', ' birth', ' replid', ' floor'.
-- nil when any part is missing (H4, H6): lost never means "fine".
local function understood(scores)
  local format, clock, birth = tonumber(scores[1]), tonumber(scores[2]), tonumber(scores[3])
  local replid, floor = tonumber(scores[4]), tonumber(scores[5])
  if not (format and clock and birth and replid and floor) then return nil end
  return { format = format, clock = clock, birth = birth, replid = replid, floor = floor }
end

local function standing(fence)
  local scores = redis.pcall('ZMSCORE', fence, ' format', ' clock', ' birth', ' replid', ' floor')
  if scores.err then return nil end
  return understood(scores)
end
