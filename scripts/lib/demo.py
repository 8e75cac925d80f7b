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
import shlex
import sys
import time
import urllib.error
import urllib.request

WORKFLOW_NAME = "Big orders to the warehouse"
CONNECTION_NAME = "warehouse"
WAIT_S = 60

ORDER = {
    "order_id": "A-1001",
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
        api.call("POST", "/connections", {"name": CONNECTION_NAME, "connector": "http", "credential": "none", "values": {}})
    definition = workflow(env["PATCHBAY_SINK_URL"])
    found = [w for w in api.all("/workflows") if w["name"] == WORKFLOW_NAME]
    if found:
        made = api.call("GET", "/workflows/" + found[0]["id"])
    else:
        made = api.call("POST", "/workflows", {"definition": definition, "active": True})
    print(made["hook_url"])


def print_step(step):
    print(f"\n  step {step['id']}: {step['status']}"
          f"  ({step.get('attempts', 1)} attempt{'s' if step.get('attempts', 1) != 1 else ''},"
          f" {step.get('duration_ms', 0)} ms)")
    print(f"    input   {short(step.get('input'))}")
    print(f"    output  {short(step.get('output'))}")
    if step.get("error"):
        print(f"    error   {short(step['error'])}")


def order(api, env):
    status, answer = api.send("POST", env["PATCHBAY_HOOK_URL"], ORDER)
    execution_id = answer["data"]["execution_id"]
    print(f"POST {env['PATCHBAY_HOOK_URL']}\n  {short(ORDER)}\n  answered {status}, execution {execution_id}")
    deadline = time.monotonic() + WAIT_S
    while True:
        execution = api.call("GET", "/executions/" + execution_id)
        if execution["status"] in ("succeeded", "failed", "cancelled"):
            break
        if time.monotonic() > deadline:
            fail(f"the execution is still {execution['status']} after {WAIT_S} s")
        time.sleep(0.05)
    print(f"\nThe execution has {execution['status']} after {execution.get('duration_ms', 0)} ms.")
    for step in execution["steps"]:
        print_step(step)
    received = api.send("GET", env["PATCHBAY_SINK_URL"] + "/__count")[1]
    print(f"\n  The upstream has received {received['requests']} request(s) so far, {received['repeated']} of them repeated.")
    return 0 if execution["status"] == "succeeded" else 1


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
