-- SPDX-License-Identifier: Apache-2.0
-- wrk: posts a 500-byte order; counts answers that are not 2xx.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = os.getenv("BENCH_BODY")

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   refused = 0
end

function response(status)
   if status >= 300 then
      refused = refused + 1
   end
end

function done(summary, latency, requests)
   local n = 0
   for _, t in ipairs(threads) do
      n = n + t:get("refused")
   end
   local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
   io.write(string.format("\nRESULT %d %d %d %d %.0f %.0f\n", summary.requests, summary.duration, n, errors,
                          latency:percentile(50), latency:percentile(99)))
end
