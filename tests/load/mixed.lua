-- wrk: a shop's traffic. Lists of random users; every twentieth request posts something that one of them did.
-- wrk -t1 -c32 -d10s -s tests/load/mixed.lua http://127.0.0.1:8000 -- USERS.txt ITEMS.txt
local common = dofile((debug.getinfo(1, "S").source:match("@(.*/)") or "./") .. "common.lua")
local users, items, headers, count = nil, nil, nil, 0

local function quoted(text) return '"' .. text:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"' end

function init(args)
  users, items, headers = common.lines(args[1]), common.lines(args[2]), common.headers()
  math.randomseed(1)
end

function request()
  count = count + 1
  local user = users[math.random(#users)]
  if count % 20 > 0 then return wrk.format("GET", common.list_path(user), headers) end
  local body = string.format('{"user_id":%s,"item_id":%s,"type":"view"}', quoted(user), quoted(items[math.random(#items)]))
  return wrk.format("POST", "/api/v1/interactions", headers, body)
end

function done(summary, latency) common.report(summary, latency) end
