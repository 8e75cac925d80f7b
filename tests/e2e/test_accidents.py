# SPDX-License-Identifier: Apache-2.0
"""
Accidents of others: upstreams that hang, answer garbage, never stop or ask to wait; connectors that are switched off,
crash, loop or take everything. One attempt fails with a clear reason, and everything else goes on.
"""
import os
import time
import unittest

import harness
from harness import http_step, quick_retry, step, wait_execution, webhook


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def odd(operation, params=None, **more):
    return {"id": "odd", "type": "action", "action": "odd." + operation, "with": params or {}, **more}


REASONS = ("crashed", "permanent", "internal", "transient")
if os.environ.get("PB_TEST_SANITIZED"):
    REASONS += ("timeout",)  # shadow memory has no RLIMIT_DATA: a flood of memory ends by the deadline


class Upstream(harness.HostCase):
    SETTINGS = {"egress_timeout": "3s"}

    def failed(self, query, method="GET", **more):
        """The step's error after one attempt at an upstream that behaves as @query says."""
        x = self.workflow([http_step("call", f"{self.sink.url}/bad?{query}", method, retry={"max_attempts": 1}, **more)]
                          ).run({})
        self.assertEqual(x["status"], "failed", x)
        error = step(x, "call")["error"]
        self.assertTrue(error["message"])
        self.assertTrue(error["code"])
        return error

    def test_upstream__that_misbehaves_fails_one_attempt_with_a_reason(self):
        before = rss_kb(self.host.process.pid)
        for query in ("body=hang", "body=noise", "body=close", "body=reset", "body=cut", "body=endless",
                      "body=huge&bytes=10000000000", "body=headers&count=10000", "body=gzip_bomb&bytes=10000000000"):
            with self.subTest(query):
                begun = time.monotonic()
                error = self.failed(query)
                self.assertIn(error["class"], ("transient", "timeout", "permanent"), error)
                self.assertLess(time.monotonic() - begun, 25, "the step's own 30 s have ended it")
        self.assertLess(rss_kb(self.host.process.pid) - before, 64 * 1024)
        self.assertEqual(self.workflow([http_step("ok", self.sink.url + "/ok", "GET")]).run({})["status"], "succeeded")

    def test_upstream__slow_drip_ends_at_the_timeout(self):
        error = self.failed("body=slow&bytes=10000&interval_ms=50", timeout="1s")  # all of it would take 500 s
        self.assertIn(error["class"], ("timeout", "transient"))

    def test_upstream__garbage_as_json_is_no_json(self):
        x = self.workflow([http_step("call", self.sink.url + "/g?body=garbage", "GET", retry=quick_retry(1))]).run({})
        if x["status"] == "succeeded":
            self.assertNotIsInstance(step(x, "call")["output"]["body"], dict)
        else:
            self.assertTrue(step(x, "call")["error"]["message"])

    def test_upstream__nobody_there(self):
        x = self.workflow([http_step("call", f"http://127.0.0.1:{harness.free_port()}/", "POST",
                                     retry={"max_attempts": 2, "initial": "10ms"})]).run({})
        self.assertEqual(x["status"], "failed", x)  # nothing was sent: no decision is wanted
        self.assertEqual(step(x, "call")["attempt_count"], 2)

    def test_upstream__429_waits_as_told_and_does_not_block_others(self):
        def busy(seconds):
            return self.workflow([http_step("call", f"{self.sink.url}/wait?status=429&status_times=1&retry_after={seconds}")])
        x = busy(3600).trigger({})
        wait_execution(self.client, x, lambda e: e["status"] == "waiting")
        self.assertEqual(self.workflow([http_step("ok", self.sink.url + "/ok", "GET")]).run({})["status"], "succeeded")
        self.assertEqual(harness.execution(self.client, x)["status"], "waiting")
        self.assertEqual(self.client.post(f"executions/{x}/cancel").status, 202)
        x = busy(4).run({})
        self.assertEqual(x["status"], "succeeded", x)
        self.assertGreaterEqual(x["duration_ms"], 3900)

    def test_egress__private_addresses_and_ports_are_refused(self):
        for url in ("http://169.254.169.254/latest", "http://10.0.0.1/", "http://[::1]/", "http://localhost.:22/",
                    "http://0x7f000001:22/", "http://2130706433:22/", "http://127.1:22/", "file:///etc/passwd",
                    "gopher://127.0.0.1/", f"http://user@127.0.0.1:{self.sink.port}/", "http://[::ffff:10.0.0.1]/"):
            with self.subTest(url):
                x = self.workflow([http_step("call", url, "GET", retry={"max_attempts": 1})]).run({})
                self.assertEqual(x["status"], "failed", x)
                self.assertIn(step(x, "call")["error"]["class"], ("permanent", "invalid_input"), x)

    def test_credentials__go_to_their_host_only(self):
        made = self.client.post("connections", {"name": "token", "connector": "http", "credential": "bearer",
                                                "values": {"host": "127.0.0.1", "token": "canary-7f3a"}})
        self.assertEqual(made.status, 201, made)
        x = self.workflow([http_step("call", self.sink.url + "/auth", "GET", connection="token")]).run({})
        self.assertEqual(x["status"], "succeeded", x)
        (seen,) = self.sink.requests("/auth")
        self.assertEqual(seen["headers"]["authorization"], "Bearer canary-7f3a")
        self.assertNotIn("canary-7f3a", str(x))
        other = self.client.post("connections", {"name": "elsewhere", "connector": "http", "credential": "bearer",
                                                 "values": {"host": "example.com", "token": "canary-7f3b"}})
        self.assertEqual(other.status, 201, other)
        x = self.workflow([http_step("call", self.sink.url + "/auth2", "GET", connection="elsewhere",
                                     retry={"max_attempts": 1})]).run({})
        self.assertFalse([r for r in self.sink.requests("/auth2") if "canary-7f3b" in str(r)])


class Connectors(harness.HostCase):
    def tearDown(self):
        self.admin.post("admin/connectors/odd/enable")

    def in_flight(self):
        return next(c["metrics"]["in_flight"] for c in self.admin.get("admin/connectors").data if c["id"] == "odd")

    def test_disabled__steps_wait_say_why_and_go_on(self):
        wf = self.workflow([odd("echo", {"n": "{{ trigger.body.n }}"})])
        self.assertEqual(wf.run({"n": 1})["status"], "succeeded")
        self.assertEqual(self.admin.post("admin/connectors/odd/disable").status, 200)
        ids = [wf.trigger({"n": i}) for i in range(5)]
        for execution_id in ids:
            x = wait_execution(self.client, execution_id, lambda e: e["status"] == "waiting")
            self.assertEqual(x["wait_reason"], "connector_disabled", x)
            self.assertEqual(step(x, "odd")["status"], "waiting")
            self.assertEqual(step(x, "odd")["wait_reason"], "connector_disabled")
        self.assertEqual({c["id"]: c["state"] for c in self.client.get("connectors").data}["odd"], "disabled")
        self.assertEqual(self.workflow([http_step("ok", self.sink.url + "/ok", "GET")]).run({})["status"], "succeeded")
        self.assertEqual(self.admin.post("admin/connectors/odd/enable").status, 200)
        for i, execution_id in enumerate(ids):
            x = wait_execution(self.client, execution_id)
            self.assertEqual((x["status"], step(x, "odd")["output"]), ("succeeded", {"n": i}), x)

    def test_disabled__survives_a_restart_of_the_host(self):
        self.assertEqual(self.admin.post("admin/connectors/odd/disable").status, 200)
        wf = self.workflow([odd("echo")])
        x = wf.run({}, until=("waiting",))
        self.host.kill()
        self.host.start()
        self.assertEqual({c["id"]: c["state"] for c in self.client.get("connectors").data}["odd"], "disabled")
        self.assertEqual(self.admin.post("admin/connectors/odd/enable").status, 200)
        self.assertEqual(wait_execution(self.client, x["id"])["status"], "succeeded")

    def test_enabled_and_disabled_under_load__no_execution_fails(self):
        wf = self.workflow([odd("slow", {"ms": 30}), {**odd("echo"), "id": "again"}])
        ids = []
        for round_ in range(6):
            ids += harness.in_threads(10, lambda i: wf.trigger({}, client=self.host.client()))
            action = "disable" if round_ % 2 == 0 else "enable"
            self.assertEqual(self.admin.post(f"admin/connectors/odd/{action}").status, 200)
        # one that parks in the very moment of the notice is looked at again after 30 s
        for execution_id in ids:
            self.assertEqual(wait_execution(self.client, execution_id, timeout=120)["status"], "succeeded")

    def test_runner_killed_from_outside__costs_no_attempt(self):
        wf = self.workflow([odd("slow", {"ms": 1500}, retry={"max_attempts": 1})])
        x = wf.trigger({})
        harness.wait_for("the call and its runner", lambda: self.in_flight() and self.host.runners())
        time.sleep(0.4)  # most likely it is inside now; before and after that no attempt is lost either
        for pid in self.host.runners():
            harness.kill9(pid)
        x = wait_execution(self.client, x)
        self.assertEqual(x["status"], "succeeded", x)
        self.assertEqual(step(x, "odd")["attempt_count"], 1)

    def test_result_of_kinds_that_must_be_refused(self):
        for operation in ("huge_result", "deep_result", "bad_utf8", "nan"):
            with self.subTest(operation):
                x = self.workflow([odd(operation, retry={"max_attempts": 1})]).run({})
                self.assertEqual(x["status"], "failed", x)
                self.assertTrue(step(x, "odd")["error"]["message"])
        self.assertEqual(self.workflow([odd("echo")]).run({})["status"], "succeeded")

    def test_secret__revealed_by_a_connector_is_redacted(self):
        canary = "canary-" + os.urandom(8).hex()
        made = self.client.post("connections", {"name": "odd token", "connector": "odd", "credential": "token",
                                                "values": {"token": canary}})
        self.assertEqual(made.status, 201, made)
        x = self.workflow([odd("reveal", connection="odd token", retry={"max_attempts": 1})]).run({})
        self.assertNotIn(canary, str(x))
        self.assertNotIn(canary, self.host.tail(10 ** 7))
        self.assertNotIn(canary.encode(), self.world.database.dump())

    def test_attacks__are_refused_by_the_sandbox(self):
        x = self.workflow([odd("environment", retry={"max_attempts": 1})]).run({})
        self.assertNotIn("PB_TEST", str(x))
        self.assertNotIn("patchbay_api", str(x))
        for what in ("read_passwd", "read_parent_memory", "socket", "exec", "fork", "kill_parent", "ptrace_parent", "ptrace"):
            with self.subTest(what):
                x = self.workflow([odd("attack", {"what": what}, retry={"max_attempts": 1})]).run({})
                self.assertNotIn("worked", str([s["output"] for s in x["steps"]]), what)


class Crashes(harness.HostCase):
    """Each operation ends its runner; after three deaths in a row it is quarantined for this tenant, and says so."""

    def crash(self, operation, params=None, until=harness.FINAL, **more):
        return self.workflow([odd(operation, params, **{"retry": {"max_attempts": 1}, **more})]).run({}, until=until)

    def healthy(self):
        """A crash is no reason to keep the next call waiting."""
        begun = time.monotonic()
        x = self.workflow([http_step("ok", self.sink.url + "/ok", "GET"), odd("echo")]).run({})
        self.assertEqual(x["status"], "succeeded", x)
        self.assertLess(time.monotonic() - begun, 25)

    def test_crash__fails_the_step_with_its_reason(self):
        host_pid = self.host.process.pid
        for operation in ("null_write", "abort", "stack_overflow", "exit", "exit_mid_frame", "garbage_frame", "double_free",
                          "unknown_syscall", "malloc_flood", "thread_bomb", "fd_leak"):
            with self.subTest(operation):
                x = self.crash(operation, until=lambda e: e["status"] in (*harness.FINAL, "waiting"),
                               timeout="2s" if operation == "malloc_flood" and "timeout" in REASONS else "60s")
                s = step(x, "odd")
                self.assertTrue(s["status"] in ("failed", "waiting", "succeeded"), x)
                if s["status"] == "failed":
                    self.assertIn(s["error"]["class"], REASONS, s)
                    self.assertTrue(s["error"]["message"])
                elif s["status"] == "waiting":  # quarantined by what came before
                    self.assertEqual(s["wait_reason"], "connector_disabled")
                self.healthy()
        self.assertTrue(self.host.alive())
        self.assertEqual(self.host.process.pid, host_pid)

    def test_deadline__ends_what_never_ends(self):
        for operation in ("loop", "sleep"):
            with self.subTest(operation):
                x = self.crash(operation, timeout="2s")
                self.assertEqual(x["status"], "failed", x)
                self.assertIn(step(x, "odd")["error"]["class"], ("timeout", "crashed"), x)
                self.healthy()

    def test_neighbours__in_the_same_runner_are_not_charged(self):
        slow = self.workflow([odd("slow", {"ms": 800}, retry={"max_attempts": 1})])
        ids = [slow.trigger({}) for _ in range(8)]
        wait_execution(self.client, ids[0], ("running", *harness.FINAL))
        self.crash("abort", until=lambda e: e["status"] in (*harness.FINAL, "waiting"))
        for execution_id in ids:
            x = wait_execution(self.client, execution_id)
            self.assertEqual(x["status"], "succeeded", x)

    def test_effect__of_a_death_is_what_had_left(self):
        url = self.sink.url
        x = self.crash("get_then_crash", {"url": url + "/get-crash"}, until=lambda e: e["status"] in (*harness.FINAL, "waiting"))
        self.assertNotEqual(step(x, "odd")["status"], "outcome_unknown", x)
        x = self.crash("post_then_crash", {"url": url + "/post-crash"},
                       until=lambda e: e["status"] in (*harness.FINAL, "waiting"))
        self.assertEqual((x["status"], x["wait_reason"]), ("waiting", "decision"), x)
        self.assertEqual(step(x, "odd")["status"], "outcome_unknown")
        self.assertEqual(len(self.sink.requests("/post-crash")), 1)

    def test_quarantine__after_three_deaths_with_the_reason_and_lifted_by_hand(self):
        for _ in range(6):
            x = self.crash("null_write", until=lambda e: e["status"] in (*harness.FINAL, "waiting"))
            if x["status"] == "waiting":
                break
        self.assertEqual((x["status"], x["wait_reason"]), ("waiting", "connector_disabled"), x)
        shown = next(c for c in self.admin.get("admin/connectors").data if c["id"] == "odd")
        (q,) = [q for q in shown["quarantines"] if q["operation"] == "null_write"]
        self.assertTrue(q["reason"])
        self.assertTrue(q["tenant_id"])
        # only this operation, only this tenant
        self.assertEqual(self.workflow([odd("echo")]).run({})["status"], "succeeded")
        lifted = self.admin.post("admin/connectors/odd/quarantine", {"operation": "null_write", "lift": True,
                                                                     "tenant_id": q["tenant_id"]})
        self.assertEqual(lifted.status, 200, lifted)
        x = wait_execution(self.client, x["id"], lambda e: e["status"] in harness.FINAL or step(e, "odd")["attempts"])
        self.assertTrue(x)
        self.client.post(f"executions/{x['id']}/cancel")


if __name__ == "__main__":
    harness.main()
