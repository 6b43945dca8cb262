-- wrk: the same few users again and again, so that lists come from the caches.
-- wrk -t1 -c32 -d10s -s tests/load/cached.lua http://127.0.0.1:8000 -- USERS.txt
local common = dofile((debug.getinfo(1, "S").source:match("@(.*/)") or "./") .. "common.lua")
local requests, at = {}, 0

function init(args)
  local users, headers = common.lines(args[1]), common.headers()
  for n = 1, math.min(#users, 200) do requests[n] = wrk.format("GET", common.list_path(users[n]), headers) end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency) common.report(summary, latency) end
