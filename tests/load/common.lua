-- What the wrk scripts share: ids of users and items from the files named behind `--`, and the line that is read back.
local common = {}

function common.lines(path)
  local found = {}
  for line in io.lines(path) do found[#found + 1] = line end
  if #found == 0 then error("no ids in " .. path) end
  return found
end

-- An id as it stands in a path.
function common.escaped(id)
  return (id:gsub("[^%w%-._~]", function(c) return string.format("%%%02X", c:byte()) end))
end

-- Headers of every request; the key, where the service wants one, comes from the environment.
function common.headers()
  local key, found = os.getenv("LOAD_KEY"), {["Content-Type"] = "application/json"}
  if key and key ~= "" then found["Authorization"] = "Bearer " .. key end
  return found
end

function common.list_path(user) return "/api/v1/recommendations/user/" .. common.escaped(user) .. "?limit=10" end

function common.report(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.3f, "errors": %d, "p50_ms": %.3f, "p95_ms": %.3f, "p99_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000))
end

return common
