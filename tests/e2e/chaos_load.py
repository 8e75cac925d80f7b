# SPDX-License-Identifier: Apache-2.0
"""
The chaos campaign's driver: workflows of several kinds, and clients that post to them, with a journal of everything
that was sent and answered. The journal and the ledger (the sink's) are all that the oracle believes besides PostgreSQL.
"""
import http.client
import json
import os
import random
import threading
import time
import zlib

import harness
from harness import http_step, quick_retry, webhook

GIVE_UP_SHARE = 0.15  # of the keys whose answer was lost are never asked for again
LOOK_SHARE = 0.1      # of accepted executions are read back at once

# What each kind's succeeded execution must have called, which of them may happen once only, and who comes after whom.
KINDS = {
    "repeat": {"steps": ("a", "b"), "order": (("a", "b"),), "once": ()},
    "once": {"steps": ("pay", "note"), "order": (("pay", "note"),), "once": ("pay",)},
    "sync": {"steps": ("a",), "order": (), "once": ()},
    "graph": {"steps": ("a", "b", "c"), "order": (("a", "c"), ("b", "c")), "once": ()},
    "flaky": {"steps": ("a", "b"), "order": (("a", "b"),), "once": ()},
    "cancel": {"steps": ("a", "b", "c"), "order": (("a", "b"), ("b", "c")), "once": ()},
}
WEIGHTS = {"repeat": 30, "once": 25, "sync": 20, "graph": 15, "flaky": 10, "cancel": 10}
CANCEL_DELAY_MS = 250  # a call of the kind that is cancelled takes up to so long


def led(sink_url, kind, step_id, method="POST", query="", **more):
    """A call that the ledger can attribute: path = kind and step, body = execution and key."""
    url = f"{sink_url}/led/{kind}/{step_id}?delay_ms={{{{ trigger.body.delay }}}}{query}"
    body = {"execution": "{{ execution.id }}", "step": step_id, "key": "{{ trigger.body.key }}"}
    return http_step(step_id, url, method, body, retry=quick_retry(attempts=10, longest="2s"), timeout="20s", **more)


def make_workflows(client, sink_url):
    def note(step_id):
        return {"id": step_id, "type": "set", "with": {"key": "{{ trigger.body.key }}"}}
    made = {
        "repeat": ([note("in"), led(sink_url, "repeat", "a", repeatable=True), led(sink_url, "repeat", "b", "PUT")], {}),
        "once": ([note("in"), led(sink_url, "once", "pay"), led(sink_url, "once", "note", "PUT")], {}),
        "sync": ([led(sink_url, "sync", "a", repeatable=True), note("out")],
                 {"trigger": webhook("result", deadline="8s")}),
        "graph": ([led(sink_url, "graph", "a", "PUT"), led(sink_url, "graph", "b", repeatable=True),
                   {"id": "both", "type": "if", "with": {"condition": "{{ steps.a.status == steps.b.status }}"}},
                   led(sink_url, "graph", "c", "PUT")],
                  {"edges": [["trigger", "a"], ["trigger", "b"], ["a", "both"], ["b", "both"], ["both.true", "c"]]}),
        "flaky": ([led(sink_url, "flaky", "a", "PUT", "&status=503&status_times=2"),
                   led(sink_url, "flaky", "b", repeatable=True)], {}),
        "cancel": ([led(sink_url, "cancel", s, repeatable=True) for s in ("a", "b", "c")], {}),
    }
    return {kind: harness.Workflow(client, steps, name=f"chaos {kind}", **kw) for kind, (steps, kw) in made.items()}


class Journal:
    """One JSON line an event, written with one write() before anything else happens; synced at the end."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.lock = threading.Lock()
        self.entries = []

    def add(self, **entry):
        entry["t"] = time.time()
        with self.lock:
            os.write(self.fd, json.dumps(entry).encode() + b"\n")
            self.entries.append(entry)
        return entry

    def close(self):
        os.fsync(self.fd)
        os.close(self.fd)


class Driver:
    """Posts @total bodies in @seconds from several threads, each with its Idempotency-Key, until each has an answer."""

    THREADS = 16

    def __init__(self, journal, workflows, hosts, total, seconds, seed):
        self.journal, self.workflows, self.hosts = journal, workflows, hosts
        self.total, self.seconds, self.seed = total, seconds, seed
        self.next, self.lock = 0, threading.Lock()
        self.begun = 0.0
        self.give_up_at = None  # set by the campaign when everything has healed
        self.threads = [threading.Thread(target=self._work, args=(i,), daemon=True) for i in range(self.THREADS)]

    def start(self):
        self.begun = time.monotonic()
        for t in self.threads:
            t.start()

    def join(self, timeout):
        self.give_up_at = time.monotonic() + timeout
        for t in self.threads:
            t.join(timeout + 30)

    def _take(self):
        with self.lock:
            if self.next >= self.total:
                return None
            self.next += 1
            return self.next - 1

    def _work(self, thread):
        rng = random.Random(f"{self.seed} driver {thread}")
        clients = {}
        while (n := self._take()) is not None:
            wait = self.begun + n * self.seconds / self.total - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self._one(n, rng, clients)

    def _one(self, n, rng, clients):
        kind = rng.choices(list(WEIGHTS), WEIGHTS.values())[0]
        key = f"{self.seed}-{n}"
        longest = CANCEL_DELAY_MS if kind == "cancel" else 120
        body = json.dumps({"key": key, "kind": kind, "delay": rng.randrange(0, longest)}).encode()
        gives_up = rng.random() < GIVE_UP_SHARE
        for again in range(10000):
            host = rng.choice([h for h in self.hosts if h.wanted] or self.hosts)
            settled, lost = self._post(key, kind, body, host, clients)
            if kind == "cancel" and settled:
                time.sleep(rng.uniform(0, 3 * CANCEL_DELAY_MS / 1000))
                self._cancel(settled, clients)
            if settled or (lost and gives_up) or (self.give_up_at and time.monotonic() > self.give_up_at):
                return
            time.sleep(min(0.05 * (again + 1), 0.5))

    def _post(self, key, kind, body, host, clients):
        """(the execution once the key is settled, the answer was lost)"""
        client = clients.setdefault(host.port, host.client(timeout=12))
        self.journal.add(event="sent", key=key, kind=kind, port=host.port)
        try:
            answer = self.workflows[kind].post(body, {"Idempotency-Key": key}, client=client)
        except (OSError, http.client.HTTPException) as e:
            self.journal.add(event="lost", key=key, why=type(e).__name__)
            return None, True
        except ValueError as e:  # an answer that is not what it says
            self.journal.add(event="broken", key=key, why=str(e))
            return None, True
        return self._settle(key, answer, client)

    def _settle(self, key, answer, client):
        code, found = answer.code, None
        if answer.status in (200, 202):
            found = answer.data.get("execution_id") if answer.status == 202 else "result"
        elif code in ("execution.result_timeout", "execution.failed", "execution.cancelled"):
            found = answer.json["errors"][0]["details"]["execution_id"]
        self.journal.add(event="answer", key=key, status=answer.status, code=code, execution=found,
                         duplicate=bool(answer.status == 202 and answer.data["duplicate"]))
        if found not in (None, "result") and zlib.crc32(key.encode()) % 100 < LOOK_SHARE * 100:
            self._look(key, found, client)
        return found, code == "engine.outcome_unknown"

    def _cancel(self, execution_id, clients):
        """Asked for once, whatever comes of it."""
        client = clients[next(h for h in self.hosts if h.wanted).port]
        self.journal.add(event="cancel", execution=execution_id)
        try:
            answer = client.post(f"executions/{execution_id}/cancel")
        except (OSError, ValueError, http.client.HTTPException):
            return
        self.journal.add(event="cancel_answer", execution=execution_id, status=answer.status, code=answer.code)

    def _look(self, key, execution_id, client):
        """P1: what was accepted is never "not found"."""
        try:
            answer = client.get(f"executions/{execution_id}")
        except (OSError, ValueError, http.client.HTTPException):
            return
        self.journal.add(event="look", key=key, execution=execution_id, status=answer.status)
