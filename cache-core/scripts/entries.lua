-- What read and commit share: how an entry says what it was built from.

-- `sources` of an entry as a list of document ids, or nil when it is not a clean array of non-empty strings and integers
-- below 10^14 (H15). cjson reads `{}` like `[]`, hence the look at the first byte. More than 1000 are not looked at (H18).
local function parse(json)
  if type(json) ~= 'string' or not string.find(json, '^%s*%[') then return nil end
  local ok, list = pcall(cjson.decode, json)
  if not ok or type(list) ~= 'table' or #list > 1000 then return nil end
  for index, source in ipairs(list) do
    if type(source) == 'number' then
      if source % 1 ~= 0 or math.abs(source) >= 1e14 then return nil end
      list[index] = text(source)
    elseif type(source) ~= 'string' or source == '' or string.sub(source, 1, 1) == ' ' then
      return nil
    end
  end
  return list
end

-- The `lease` field: `<format>:<clock>:<birth>:<replication id>:<seal>`. The seal binds it to the `sources` beside it:
-- a foreign HSET leaves our field behind, and then the lease must not vouch for other sources.
local function seal(json)
  return string.sub(redis.sha1hex(json), 1, 16)
end

local function unpack_lease(field)
  if type(field) ~= 'string' then return nil end
  local format, clock, birth, replid, mark = string.match(field, '^(%d+):(%d+):(%d+):(%d+):(%x+)$')
  if not format then return nil end
  return {
    format = tonumber(format), clock = tonumber(clock), birth = tonumber(birth), replid = tonumber(replid), seal = mark,
  }
end
