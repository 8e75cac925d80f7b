#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What scripts/quickstart shows: a real order through a real webhook. usage: demo.py RUN-FOLDER provision|order

provision  makes the connection and the workflow in the development tenant (once; later starts find them) and
           prints the webhook's address
order      posts an order there, waits for the execution and prints every step; status 0 if it succeeded

Only the standard library, only the public API, with the keys of RUN-FOLDER/env.
"""
import json
import os
import secrets
import shlex
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

WORKFLOW_NAME = "Big orders to the warehouse"
CONNECTION_NAME = "warehouse"
# of the demo's own upstream, which is on this machine only and asks for nothing
WAREHOUSE_KEY = "demo-warehouse-key"
WAIT_S = 60

ORDER = {
    "user": {"name": "Ada Lovelace", "email": "ada@example.com"},
    "items": [{"sku": "difference-engine", "price": 1200.5, "qty": 1}, {"sku": "punch-cards", "price": 19.99, "qty": 10}],
}


def workflow(sink):
    return {
        "patchbay": 1,
        "name": WORKFLOW_NAME,
        "trigger": {"type": "webhook", "with": {"methods": ["POST"], "respond": "accepted"}},
        "steps": [
            {"id": "order", "type": "set", "with": {
                "customer": "{{ trigger.body.user.name }}",
                "total": "{{ trigger.body.items.sum(i => i.price * i.qty) }}"}},
            {"id": "big", "type": "if", "with": {"condition": "{{ steps.order.total >= 1000 }}"}},
            {"id": "reserve", "type": "action", "action": "http.request", "connection": CONNECTION_NAME,
             "with": {"method": "POST", "url": sink + "/reservations",
                      "body": {"order": "{{ trigger.body.order_id }}", "customer": "{{ steps.order.customer }}",
                               "total": "{{ steps.order.total }}"}},
             "repeatable": True,
             "retry": {"max_attempts": 5, "initial": "1s", "max": "5m", "jitter": True}},
        ],
        "edges": [["trigger", "order"], ["order", "big"], ["big.true", "reserve"]],
    }


def read_env(run):
    env = {}
    with open(os.path.join(run, "env"), encoding="utf-8") as f:
        for line in f:
            name, _, value = line.strip().partition("=")
            env[name] = "".join(shlex.split(value))
    return env


def fail(text):
    print(f"demo: {text}", file=sys.stderr)
    sys.exit(1)


class Api:
    def __init__(self, env):
        self.base = env["PATCHBAY_URL"]
        self.token = env["PATCHBAY_TOKEN"]

    def send(self, method, url, body=None, headers=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, dict(headers or {}), method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as e:
            with e:
                text = e.read().decode("utf-8", "replace")
            fail(f"{method} {url} answered {e.code}: {text[:1000]}")
        except (OSError, ValueError) as e:
            fail(f"{method} {url}: {e}")

    def call(self, method, path, body=None, key=None):
        headers = {"Authorization": "Bearer " + self.token}
        if key:
            headers["Idempotency-Key"] = key
        return self.send(method, self.base + "/api/v1" + path, body, headers)[1]["data"]

    def all(self, path):
        """every item of a list, page by page"""
        cursor = ""
        while True:
            answer = self.send("GET", f"{self.base}/api/v1{path}?limit=100{cursor}", None,
                               {"Authorization": "Bearer " + self.token})[1]
            yield from answer["data"]
            following = (answer["meta"].get("page") or {}).get("next")
            if not following:
                return
            cursor = "&cursor=" + following


def short(value, width=300):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= width else text[:width] + "…"


def provision(api, env):
    if not any(c["name"] == CONNECTION_NAME for c in api.all("/connections")):
        host = urllib.parse.urlsplit(env["PATCHBAY_SINK_URL"]).hostname
        api.call("POST", "/connections", {
            "name": CONNECTION_NAME, "connector": "http", "credential": "header",
            "values": {"host": host, "name": "X-Api-Key", "value": WAREHOUSE_KEY}})
    found = [w for w in api.all("/workflows") if w["name"] == WORKFLOW_NAME]
    if found:
        made = refresh(api, env, api.call("GET", "/workflows/" + found[-1]["id"]))
    else:
        made = api.call("POST", "/workflows", {"definition": workflow(env["PATCHBAY_SINK_URL"]), "active": True})
    print(made["hook_url"])


def refresh(api, env, made):
    """the upstream may have another port than at the last start; whatever else was edited stays"""
    path = "/workflows/" + made["id"]
    url = env["PATCHBAY_SINK_URL"] + "/reservations"
    stale = [s for s in made["definition"]["steps"] if s["id"] == "reserve" and s["with"]["url"] != url]
    if stale:
        stale[0]["with"]["url"] = url
        made = api.call("PUT", path, {"definition": made["definition"], "publish": True})
    if not made["active"]:
        api.call("PUT", path + "/toggle", {"active": True})
    return made


def times(n, what):
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def print_step(step, definition):
    print(f"\n  step {step['id']}: {step['status']}"
          f"  ({times(step['attempt_count'], 'attempt')}, {step['duration_ms']} ms)")
    # a step that the host evaluates itself has no other input than its expressions
    print(f"    input   {short(step['input'] if step['input'] is not None else definition.get('with'))}")
    print(f"    output  {short(step['output'])}")
    for attempt in step["attempts"]:
        print(f"    attempt {attempt['number']}: {attempt['status']}, HTTP {attempt['http_status']},"
              f" {attempt['duration_us'] / 1000:.1f} ms")
    if step["error"]:
        print(f"    error   {short(step['error'])}")


def received(api, env, order_id):
    """what the upstream has got for this order, newest last"""
    found, since = [], 0
    while True:
        page = api.send("GET", f"{env['PATCHBAY_SINK_URL']}/__requests?since={since}&limit=1000")[1]
        if not page["requests"]:
            return found
        found += [r for r in page["requests"] if order_id in (r["body"] or "")]
        since = page["next"]


def print_received(requests, execution):
    for r in requests:
        print(f"\n  the upstream received {r['method']} {r['path']} {r['body']}")
        for name in ("x-api-key", "idempotency-key"):
            print(f"    {name}: {r['headers'].get(name)}")
    if [r["headers"].get("x-api-key") for r in requests] != [WAREHOUSE_KEY]:
        fail("the upstream should have received this order once, with the connection's key")
    if WAREHOUSE_KEY in json.dumps(execution):
        fail("the execution's record shows the connection's key")
    print("    The host has added the key; neither the workflow nor the execution's record holds it.")


def order(api, env):
    body = dict(ORDER, order_id="A-" + secrets.token_hex(4))
    status, answer = api.send("POST", env["PATCHBAY_HOOK_URL"], body)
    execution_id = answer["data"]["execution_id"]
    print(f"POST {env['PATCHBAY_HOOK_URL']}\n  {short(body)}\n  answered {status}, execution {execution_id}")
    deadline = time.monotonic() + WAIT_S
    while True:
        execution = api.call("GET", "/executions/" + execution_id)
        if execution["status"] in ("succeeded", "failed", "cancelled"):
            break
        if time.monotonic() > deadline:
            fail(f"the execution is still {execution['status']} after {WAIT_S} s")
        time.sleep(0.05)
    print(f"\nThe execution has {execution['status']} after {execution['duration_ms']} ms.")
    definition = api.call("GET", "/workflows/" + execution["workflow_id"])["definition"]
    by_id = {step["id"]: step for step in definition["steps"]}
    for step in execution["steps"]:
        print_step(step, by_id.get(step["id"], {}))
    if execution["status"] != "succeeded":
        return 1
    print_received(received(api, env, body["order_id"]), execution)
    return 0


def main():
    if len(sys.argv) != 3 or sys.argv[2] not in ("provision", "order"):
        fail("usage: demo.py RUN-FOLDER provision|order")
    env = read_env(sys.argv[1])
    api = Api(env)
    if sys.argv[2] == "provision":
        provision(api, env)
        return 0
    return order(api, env)


if __name__ == "__main__":
    sys.exit(main())
