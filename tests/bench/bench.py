# SPDX-License-Identifier: Apache-2.0
"""The figures of scripts/bench, which starts everything and sets the BENCH_... variables.

The workflow is the one-action one: webhook with a 500-byte order -> map -> HTTP POST to a local upstream -> recorded.
Every figure is printed beside its floor from the same run; nothing here passes or fails by time.
"""
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

DIR = os.environ["BENCH_DIR"]
BIN = os.environ["BENCH_BIN"]
URL = os.environ["BENCH_URL"]
SINK = os.environ["BENCH_SINK"]
HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")
QUICK = "--quick" in sys.argv
LOAD_S = 4 if QUICK else 15
FLOOR_S = 2 if QUICK else 5


def order():
    body = {
        "order_id": "A-1001",
        "user": {"name": "Aigerim Sadykova", "email": "aigerim@example.com"},
        "items": [{"sku": "lamp", "price": 40.5, "qty": 2}, {"sku": "bulb", "price": 3.25, "qty": 10}],
        "address": {"city": "Almaty", "street": "Abay 10", "zip": "050000"},
        "note": "",
    }
    body["note"] = "x" * (500 - len(json.dumps(body)))
    return json.dumps(body)


def call(method, url, body=None, token=True):
    req = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
    if body is not None:
        req.add_header("Content-Type", "application/json")
    if token:
        req.add_header("Authorization", "Bearer " + os.environ["BENCH_TOKEN"])
    with urllib.request.urlopen(req, timeout=60) as answer:
        return json.load(answer)


def workflow(name, path="/", respond="accepted"):
    definition = {
        "patchbay": 1,
        "name": name,
        "trigger": {"type": "webhook", "with": {"respond": respond}},
        "steps": [
            {"id": "map", "type": "set", "with": {
                "customer": "{{ trigger.body.user.name }}",
                "total": "{{ trigger.body.items.sum(i => i.price * i.qty) }}"}},
            {"id": "post", "type": "action", "action": "http.request", "repeatable": True, "with": {
                "method": "POST", "url": SINK + path,
                "body": {"customer": "{{ steps.map.customer }}", "total": "{{ steps.map.total }}"}}},
        ],
    }
    return call("POST", URL + "/api/v1/workflows", {"definition": definition})["data"]["hook_url"]


def sql(text):
    out = subprocess.run([os.environ["PSQL"], "-XAtq", os.environ["BENCH_PG_DB"], "-c", text],
                         capture_output=True, text=True, check=True)
    return out.stdout.strip()


def finished():
    return int(sql("SELECT count(*) FROM execution_history"))


def live():
    return int(sql("SELECT count(*) FROM execution"))


def drain(seconds=300):
    end = time.monotonic() + seconds
    while live() > 0:
        if time.monotonic() > end:
            raise SystemExit("bench: executions are still unfinished after %d s" % seconds)
        time.sleep(0.1)
    bad = sql("SELECT count(*) || ' executions did not succeed: ' || min(convert_from(error, 'utf8'))"
              " FROM execution_history WHERE status <> 3 HAVING count(*) > 0")
    if bad:
        raise SystemExit("bench: " + bad)


# ---- processes ----

def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = open("/proc/%s/stat" % entry).read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry))
    return found


def groups():
    pid = {n: int(open("%s/pids/%s" % (DIR, n)).read().split()[0]) for n in ("host", "postgres", "nats", "redis", "sink")}
    return {"host": [pid["host"]], "runners": children(pid["host"]),
            "postgres": [pid["postgres"]] + children(pid["postgres"]), "nats": [pid["nats"]],
            "redis": [pid["redis"]], "upstream": [pid["sink"]]}


def cpu_s(pids):
    total = 0
    for pid in pids:
        try:
            f = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        # of its ended children too: PostgreSQL's backends come and go
        total += sum(int(x) for x in f[11:15])
    return total / TICK


def pss_mb(pids):
    total = 0
    for pid in pids:
        try:
            text = open("/proc/%d/smaps_rollup" % pid).read()
        except OSError:
            continue
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
    return total / 1024


# ---- load ----

def wrk(url, seconds, connections, body=None):
    env = dict(os.environ, BENCH_BODY=body or order())
    out = subprocess.run(["wrk", "-t2", "-c%d" % connections, "-d%ds" % seconds, "--timeout", "30s", "-s",
                          HERE + "/hook.lua", url], capture_output=True, text=True, env=env)
    m = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", out.stdout)
    if not m:
        raise SystemExit("bench: wrk failed: " + out.stdout + out.stderr)
    n, took, refused, errors, p50, p99 = (int(x) for x in m.groups())
    return {"per_s": n * 1e6 / took, "n": n, "refused": refused, "errors": errors, "p50_ms": p50 / 1e3, "p99_ms": p99 / 1e3}


def floor_http():
    p = subprocess.Popen([BIN + "/floor_http"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = int(p.stdout.readline())
    result = wrk("http://127.0.0.1:%d/" % port, FLOOR_S, 64)
    p.stdin.close()
    p.wait()
    return result["per_s"]


def floor(name, *args):
    return float(subprocess.run([BIN + "/" + name] + list(args), capture_output=True, text=True, check=True).stdout)


def say(name, value, beside=""):
    print("%-46s %14s   %s" % (name, value, beside), flush=True)


def heading(text):
    print("\n" + text + "\n" + "-" * len(text), flush=True)


def floors():
    heading("floors, each alone, in this run")
    result = {"http": floor_http(), "pg": floor("floor_pg", os.environ["BENCH_PG"], "100", str(FLOOR_S)),
              "nats": floor("floor_nats", os.environ["BENCH_NATS"], str(FLOOR_S))}
    say("bare CivetWeb handler", "%.0f /s" % result["http"])
    say("bare batched writes of one execution", "%.0f /s" % result["pg"], "100 at once, one connection")
    say("bare JetStream publish, consume, acknowledge", "%.0f /s" % result["nats"])
    serial = 1 / sum(1 / v for v in result.values())
    say("one after the other", "%.0f /s" % serial, "what is left when nothing overlaps")
    result["serial"] = serial
    return result


def wal_syncs():
    return int(sql("SELECT wal_sync FROM pg_stat_wal"))


def throughput(f):
    heading("webhook -> map -> POST -> recorded (%d s, 64 connections)" % LOAD_S)
    hook = workflow("bench")
    wrk(hook, 1, 8)  # warm: runner, plan, connections
    drain()
    before = {k: cpu_s(v) for k, v in groups().items()}
    done0, sync0, t0 = finished(), wal_syncs(), time.monotonic()
    load = wrk(hook, LOAD_S, 64)
    drain()
    took, n = time.monotonic() - t0, finished() - done0
    after = {k: cpu_s(v) for k, v in groups().items()}
    say("accepted (202 after COMMIT)", "%.0f /s" % load["per_s"], "%.0f %% of the bare handler" % (100 * load["per_s"] / f["http"]))
    say("accept latency p50 / p99", "%.1f / %.1f ms" % (load["p50_ms"], load["p99_ms"]))
    say("completed", "%.0f /s" % (n / took), "%.0f %% of the bare writes, %.0f %% of all floors in series"
        % (100 * n / took / f["pg"], 100 * n / took / f["serial"]))
    say("refused / connection errors", "%d / %d" % (load["refused"], load["errors"]))
    say("flushes (WAL syncs) per execution", "%.3f" % ((wal_syncs() - sync0) / max(n, 1)))
    cost = {k: (after[k] - before[k]) * 1e6 / max(n, 1) for k in after}
    for k in cost:
        say("CPU per execution, " + k, "%.0f µs" % cost[k])
    say("CPU per execution, all but the load", "%.0f µs" % sum(cost.values()))
    return n / took


def end_to_end():
    heading("latency without load")
    hook = workflow("bench one at a time")
    one = wrk(hook, 2 if QUICK else 5, 2)
    drain()
    say("accept p50 / p99, 2 connections", "%.1f / %.1f ms" % (one["p50_ms"], one["p99_ms"]))
    age = sql("SELECT round(1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at))::numeric, 1)"
              " || ' / ' || round(1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at))::numeric, 1)"
              " FROM (SELECT * FROM execution_history ORDER BY id DESC LIMIT 1000) h")
    say("accepted to recorded p50 / p99", age + " ms")
    sync = wrk(workflow("bench sync", respond="result"), 2 if QUICK else 5, 2)
    drain()
    say("sync answer p50 / p99, 2 connections", "%.1f / %.1f ms" % (sync["p50_ms"], sync["p99_ms"]))
    many = wrk(workflow("bench sync 2", respond="result"), 2 if QUICK else 5, 16)
    drain()
    say("sync answers, 16 connections", "%.0f /s" % many["per_s"], "p50 %.1f ms, p99 %.1f ms, refused %d"
        % (many["p50_ms"], many["p99_ms"], many["refused"]))


def memory():
    heading("memory (PSS)")
    g = groups()
    say("host + runners, after the load", "%.1f MB" % (pss_mb(g["host"]) + pss_mb(g["runners"])))
    hook = workflow("bench slow", path="/?delay_ms=200")
    load = subprocess.Popen(["wrk", "-t2", "-c256", "-d%ds" % (4 if QUICK else 8), "-s", HERE + "/hook.lua", hook],
                            env=dict(os.environ, BENCH_BODY=order()), stdout=subprocess.DEVNULL)
    peak, flight = 0, 0
    while load.poll() is None:
        g = groups()
        peak = max(peak, pss_mb(g["host"]) + pss_mb(g["runners"]))
        flight = max(flight, int(sql("SELECT count(*) FROM execution WHERE status = 1")))
        time.sleep(0.2)
    t0, before = time.monotonic(), finished()
    drain()
    say("host + runners, at most, 200 ms upstream", "%.1f MB" % peak, "%d executions running at once" % flight)
    if time.monotonic() - t0 > 0.5:
        say("completed behind a 200 ms upstream", "%.0f /s" % ((finished() - before) / (time.monotonic() - t0)))


def idle_memory():
    heading("idle")
    g = groups()
    say("host, just started", "%.1f MB" % pss_mb(g["host"]))
    say("runners, just started (%d)" % len(g["runners"]), "%.1f MB" % pss_mb(g["runners"]))


def json_speed():
    program = BIN + "/bench_json"
    if not os.path.exists(program):
        return
    ours, jansson = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    heading("reading JSON (a 470-byte order)")
    say("own tree in an arena", ours + " MB/s", "Jansson " + jansson + " MB/s")


def main():
    print("on %d cores, %s" % (os.cpu_count(), time.strftime("%Y-%m-%d")))
    idle_memory()
    f = floors()
    throughput(f)
    end_to_end()
    memory()
    json_speed()


main()
