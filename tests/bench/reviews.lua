-- Posts reviews of which no two are alike, allowed and denied in turn. Arguments: a number for this run, and template
-- files, in which the parts that differ from pod to pod in a real cluster are marked (tests/bench/__main__.py).
local templates, number, run = {}, 0, ""

local function split(text)
  local pieces, marks, at = {}, {}, 1
  while true do
    local first, last, mark = text:find("@@(%u+)@@", at)
    if not first then break end
    pieces[#pieces + 1], marks[#marks + 1] = text:sub(at, first - 1), mark
    at = last + 1
  end
  pieces[#pieces + 1] = text:sub(at)
  return { pieces = pieces, marks = marks }
end

function init(args)
  run = args[1]
  for index = 2, #args do
    local file = assert(io.open(args[index]))
    templates[#templates + 1] = split(file:read("*a"))
    file:close()
  end
  wrk.headers["content-type"] = "application/json"
end

function request()
  number = number + 1
  local template = templates[number % #templates + 1]
  local id = string.format("%s%08x", run, number)
  local values = { UID = "b1946ac9-2d05-4a6c-8c1e-" .. id, NAME = "p" .. id, SUFFIX = id:sub(-5),
    -- one of 10,000 images: tests/bench/reports.py
    IMAGE = string.format("%05d", math.floor(number / 2) % 10000) }
  local parts = {}
  for index, mark in ipairs(template.marks) do
    parts[2 * index - 1], parts[2 * index] = template.pieces[index], values[mark]
  end
  parts[#parts + 1] = template.pieces[#template.pieces]
  return wrk.format("POST", nil, nil, table.concat(parts))
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format(
    '{"reviews": %d, "microseconds": %d, "failed": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)
  ))
end
