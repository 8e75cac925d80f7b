# SPDX-License-Identifier: Apache-2.0
"""
PostgreSQL, NATS and Redis away; the host stopped politely and not so; and at the end of all that no secret anywhere it
does not belong.
"""
import base64
import contextlib
import http.client
import os
import re
import signal
import threading
import time
import unittest

import harness
from harness import HELD, http_step, step, wait_execution, webhook

SET = [{"id": "a", "type": "set", "with": {"n": "{{ trigger.body.n }}"}}]


class Case(harness.HostCase):
    def tearDown(self):
        """A test that failed in the middle leaves nothing broken for the next one."""
        self.world.servers.heal()
        if not self.host.alive():
            self.host.start()

    def repeat_call(self, path="/call"):
        return [http_step("call", self.sink.url + path + "?delay_ms={{ trigger.body.delay }}", repeatable=True,
                          body={"n": "{{ trigger.body.n }}"})]

    def calls(self, path, n):
        """The first calls to @path once there are @n."""
        return harness.wait_for(f"{n} calls to {path}", lambda: (lambda r: r if len(r) >= n else None)(self.sink.requests(path)))

    def released(self, execution_id, client=None):
        """The execution's end, while everything held is let go again and again: it may be called anew at any time."""
        return wait_execution(client or self.client, execution_id,
                              lambda e: self.sink.release() or e["status"] in harness.FINAL, 90)


class Short(Case):
    """What is killed or away longer than its lease. No test here counts what a lease lost by chance would change."""

    SETTINGS = {"lease_duration": "2s"}

    def post_during(self, wf, stop, out):
        """Posts without end until @stop; (status, code, Retry-After, id, seconds) of each into @out."""
        client, n = self.host.client(), 0
        while not stop.is_set():
            n += 1
            begun = time.monotonic()
            try:
                a = wf.post({"n": n, "delay": 20}, headers={"Idempotency-Key": f"{id(out)}-{n}"}, client=client)
                out.append((a.status, a.code, a.headers.get("retry-after"),
                            a.data["execution_id"] if a.status == 202 else None, time.monotonic() - begun))
            except (OSError, http.client.HTTPException):
                out.append((None, "lost", None, None, time.monotonic() - begun))
            time.sleep(0.02)

    def test_postgres__stopped_for_ten_seconds(self):
        wf = self.workflow(self.repeat_call())
        flying = [wf.trigger({"n": i, "delay": 3000}) for i in range(5)]
        stop, out = threading.Event(), []
        poster = threading.Thread(target=self.post_during, args=(wf, stop, out))
        poster.start()
        harness.wait_for("some to be accepted", lambda: sum(o[0] == 202 for o in out) > 5)
        self.world.servers.end("postgres", signal.SIGINT)
        down = len(out)
        begun = time.monotonic()
        harness.wait_for("a refusal", lambda: any(o[0] == 503 for o in out[down:]))
        harness.wait_for("/ready to say no", lambda: self.client.raw("GET", "/ready").status == 503)
        self.assertEqual(self.client.raw("GET", "/health").status, 200)  # it lives
        self.assert_error(self.client.get("workflows"), 503)
        harness.wait_for("ten seconds of outage", lambda: time.monotonic() - begun > 10)
        self.world.servers.start("postgres")
        up = time.monotonic()
        before = len(out)
        harness.wait_for("new ones to be accepted", lambda: any(o[0] == 202 for o in out[before:]))
        again_s = time.monotonic() - up
        harness.wait_for("twenty in a row to be accepted",
                         lambda: len(out) > 20 and all(o[0] == 202 for o in out[-20:]))
        stop.set()
        poster.join()
        refused = [o for o in out if o[0] == 503]
        self.assertTrue(refused)
        self.assertEqual([o for o in refused if not o[2]], [], "a 503 without Retry-After")
        self.assertEqual({o[0] for o in out} - {202, 503}, set(), out)
        # 5 s are allowed, then one has to be there
        self.assertLess(max(o[4] for o in refused), 20, "a refusal came late")
        for execution_id in flying + [o[3] for o in out if o[0] == 202]:
            self.assertEqual(wait_execution(self.client, execution_id)["status"], "succeeded")
        self.assertLess(again_s, 30)
        print(f"\n{len(out)} posts, {len(refused)} refused, accepted again {again_s:.2f} s after PostgreSQL was up")

    def test_kill9__in_the_middle_goes_on_where_it_was(self):
        wf = self.workflow([http_step("first", self.sink.url + "/k1", repeatable=True),
                            http_step("second", f"{self.sink.url}/k2?{HELD}", repeatable=True),
                            http_step("third", self.sink.url + "/k3", repeatable=True)])
        ids = [wf.trigger({}) for _ in range(10)]
        before = {r["idempotency_key"] for r in self.calls("/k2", 10)}
        self.host.kill()
        first = len(self.sink.requests("/k1"))
        self.host.start()
        for execution_id in ids:
            x = self.released(execution_id)
            self.assertEqual(x["status"], "succeeded", x)
            self.assertGreaterEqual(x["recoveries"], 1)
        self.assertEqual(len(self.sink.requests("/k1")), first)  # finished means finished
        second = [r["idempotency_key"] for r in self.sink.requests("/k2")]
        self.assertEqual((len(before), set(second)), (10, before))  # again, with the same keys
        self.assertGreaterEqual(len(second), 20)

    def test_kill9__a_call_that_may_happen_once_waits_for_a_person(self):
        wf = self.workflow([http_step("pay", f"{self.sink.url}/pay?{HELD}")])
        ids = [wf.trigger({}) for _ in range(3)]
        self.calls("/pay", 3)
        self.host.kill()
        self.host.start()
        for execution_id in ids:
            x = wait_execution(self.client, execution_id, lambda e: e["wait_reason"] == "decision")
            self.assertEqual(step(x, "pay")["status"], "outcome_unknown")
            self.client.post(f"executions/{execution_id}/steps/pay/decision", {"decision": "mark_succeeded"})
            self.assertEqual(wait_execution(self.client, execution_id)["status"], "succeeded")
        self.assertEqual(len(self.sink.requests("/pay")), 3)

    def test_two_hosts__one_dies_the_other_goes_on(self):
        other = self.world.host("second", lease_duration="2s")
        wf = self.workflow(self.repeat_call())
        client = other.client()
        ids = [wf.trigger({"n": i, "delay": 1000}, client=[self.client, client][i % 2]) for i in range(30)]
        other.kill()
        for execution_id in ids:
            self.assertEqual(wait_execution(self.client, execution_id, timeout=90)["status"], "succeeded")

    def test_paused__longer_than_its_lease_is_fenced(self):
        other = self.world.host("waker", lease_duration="2s")
        wf = self.workflow([http_step("first", self.sink.url + "/z1?delay_ms={{ trigger.body.delay }}", repeatable=True),
                            http_step("second", self.sink.url + "/z2", repeatable=True)])
        ids = [wf.trigger({"delay": 3600000}) for _ in range(20)]
        # all are there: one that is only just beginning may leave when the host goes on, whatever its lease
        keys = {r["idempotency_key"] for r in self.calls("/z1", 20)}
        os.kill(self.host.process.pid, signal.SIGSTOP)
        client = other.client()
        try:
            for execution_id in ids:
                self.assertEqual(self.released(execution_id, client)["status"], "succeeded")
            ends = {i: harness.execution(client, i)["finished_at"] for i in ids}
            keys |= {r["idempotency_key"] for r in self.sink.requests("/z2")}
            calls = self.called(keys)
        finally:
            os.kill(self.host.process.pid, signal.SIGCONT)
        self.host.wait_ready()
        self.assertEqual(wf.run({"delay": 0})["status"], "succeeded")
        self.assertEqual({i: harness.execution(client, i)["finished_at"] for i in ids}, ends)
        self.assertEqual((len(keys), self.called(keys)), (40, calls))
        other.stop()

    def called(self, keys):
        return sum(r["idempotency_key"] in keys for r in self.sink.requests())


class Outage(Case):
    """The other accidents; here a lease lasts, so that every call can be counted."""

    def test_nats__away_nothing_is_lost_and_the_rest_answers(self):
        wf = self.workflow(self.repeat_call())
        self.world.servers.kill("nats")
        ids = [wf.trigger({"n": i, "delay": 10}) for i in range(20)]
        sync = self.workflow(SET, trigger=webhook("result"))
        answer = sync.post({"n": 5})
        self.assertIn(answer.status, (200, 504), answer)  # a free slot here needs no queue
        self.assertEqual(self.client.raw("GET", "/ready").status, 200)
        self.world.servers.wipe_nats_store()
        self.world.servers.start("nats")
        for execution_id in ids:
            self.assertEqual(wait_execution(self.client, execution_id, timeout=90)["status"], "succeeded")

    def test_redis__away_or_emptied_changes_nothing(self):
        wf = self.workflow(self.repeat_call())
        self.world.servers.kill("redis")
        begun = time.monotonic()
        for i in range(10):
            self.assertEqual(wf.run({"n": i, "delay": 1})["status"], "succeeded")
        self.assertLess(time.monotonic() - begun, 60, "each waits for Redis")
        self.assertEqual(self.client.get("workflows").status, 200)
        self.assertEqual(self.client.raw("GET", "/ready").status, 200)
        self.world.servers.start("redis")
        self.world.servers.redis("FLUSHALL")
        self.assertEqual(wf.run({"n": 1, "delay": 1})["status"], "succeeded")
        harness.wait_for("redis to be seen again", lambda: self.client.raw("GET", "/ready").data["dependencies"]["redis"]["up"])

    def test_sigterm__answers_everybody_and_loses_nothing(self):
        wf = self.workflow(self.repeat_call("/polite"))
        sync = self.workflow([http_step("call", f"{self.sink.url}/sync?{HELD}", repeatable=True)], trigger=webhook("result"))
        ids = [wf.trigger({"n": i, "delay": 3600000}) for i in range(10)]
        answers = []
        waiting = [threading.Thread(target=lambda: answers.append(sync.post({}, client=self.host.client())))
                   for _ in range(5)]
        for t in waiting:
            t.start()
        self.calls("/polite", 10)
        self.calls("/sync", 5)
        begun = time.monotonic()
        self.host.process.terminate()
        harness.wait_for("the host to stop accepting", lambda: not self.host.ready())
        self.sink.release()
        self.assertEqual(self.host.stop(), 0, self.host.tail())
        took = time.monotonic() - begun
        for t in waiting:
            t.join()
        self.assertEqual([a.status for a in answers], [200] * 5, answers)
        self.host.start()
        for execution_id in ids:
            self.assertEqual(wait_execution(self.client, execution_id)["status"], "succeeded")
        # what was under way ended before the host did: nothing had to be called twice
        self.assertEqual(len(self.sink.requests("/polite")), 10, "a call was repeated after a polite stop")
        self.assertEqual(len(self.sink.requests("/sync")), 5)
        print(f"\nstopped in {took:.2f} s with 15 executions under way")

    def test_second_start__on_the_same_port_ends_with_a_reason(self):
        twin = self.world.host("twin", start=False)
        twin.port = self.host.port
        twin.spawn()
        self.assertNotEqual(twin.process.wait(60 * harness.PATIENCE), 0)
        self.assertRegex(twin.tail(), r"(?i)listen|in use|bind|port")


class Secrets(harness.HostCase):
    """Canaries go in wherever a secret may; nothing that leaves the host or stays on disk may show one."""

    SETTINGS = {"log_level": "debug"}

    def test_canary__is_nowhere(self):
        canaries = {name: f"canary-{name}-" + os.urandom(9).hex() for name in ("bearer", "password", "header", "odd")}
        connections = [("http", "bearer", {"host": "127.0.0.1", "token": canaries["bearer"]}),
                       ("http", "basic", {"host": "127.0.0.1", "username": "u", "password": canaries["password"]}),
                       ("http", "header", {"host": "127.0.0.1", "name": "X-Api-Key", "value": canaries["header"]}),
                       ("odd", "token", {"token": canaries["odd"]})]
        seen = []
        for i, (connector, credential, values) in enumerate(connections):
            made = self.client.post("connections", {"name": f"c{i}", "connector": connector, "credential": credential,
                                                    "values": values}, headers={"Idempotency-Key": f"secret-{i}"})
            self.assertEqual(made.status, 201, made)
            seen += [made.body, self.client.get(f"connections/{made.data['id']}").body,
                     self.client.post(f"connections/{made.data['id']}/test").body]
            if connector == "http":
                # the upstream echoes what it got; the host must not keep it
                wf = self.workflow([http_step("call", self.sink.url + f"/echo{i}?status=500", "PUT", connection=f"c{i}",
                                              retry={"max_attempts": 2, "initial": "10ms"})])
            else:
                wf = self.workflow([{"id": "call", "type": "action", "action": "odd.reveal", "with": {"field": "token"},
                                     "connection": f"c{i}", "retry": {"max_attempts": 1}}])
            x = wf.run({})
            seen.append(self.client.get(f"executions/{x['id']}").body)
        bad = self.client.post("connections", {"name": "bad", "connector": "http", "credential": "bearer",
                                               "values": {"host": "h", "token": canaries["bearer"], "zap": 1}})
        self.assertIn(bad.status, (400, 422), bad)
        seen += [bad.body, self.client.get("connections").body, self.admin.get("admin/connectors").body,
                 self.admin.get("/metrics").body, self.admin.get("status").body, self.client.get("api-keys").body]
        reached = [r for i in range(3) for r in self.sink.requests(f"/echo{i}")]
        self.assertEqual(len(reached), 6)  # the secrets did arrive where they belong
        hooks = [wf.hook.rsplit("/", 1)[1]]
        self.look_everywhere(list(canaries.values()), hooks, seen)

    def look_everywhere(self, canaries, hooks, seen):
        self.host.stop()
        places = {"the answers": b"\n".join(seen), "the host's log": self.host.log.read_bytes(),
                  "the database": self.world.database.dump()}
        for root in (self.world.servers.dir / "data" / "nats", self.world.servers.dir / "log"):
            for path in root.rglob("*"):
                with contextlib.suppress(FileNotFoundError):  # nats-server takes its own files away
                    if path.is_file():
                        places[str(path)] = path.read_bytes()
        needles = canaries + hooks + [self.world.owner, self.world.admin, self.world.master_key]
        for needle in needles:
            forms = {needle.encode(), base64.b64encode(needle.encode()).rstrip(b"="), needle.encode().hex().encode()}
            for place, text in places.items():
                for form in forms:
                    self.assertNotIn(form, text, f"{needle[:16]} is in {place}")
        password = re.search(r"//[^:]+:([^@]+)@", self.world.database.urls["api"]).group(1)
        self.assertNotIn(password.encode(), places["the host's log"])

    def test_process_list__shows_no_secret(self):
        if not self.host.alive():
            self.host.start()
        pids = [self.host.process.pid, *self.host.runners()]
        for pid in pids:
            for name in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    text = f.read()
                self.assertNotIn(self.world.master_key.encode(), text)
                self.assertNotIn(b"postgresql://", text)


if __name__ == "__main__":
    harness.main()
