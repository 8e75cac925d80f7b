# SPDX-License-Identifier: Apache-2.0
"""
Hosts that share the work: one takes requests (--roles api), others run executions (--roles worker, schedule). What is
said to the first must reach the others, and ends must come back to callers that wait.
"""
import socket
import threading
import time
import unittest

import harness
from harness import http_step, quick_retry, wait_execution, webhook


class Roles(harness.HostCase):
    SETTINGS = {"roles": "api", "sync_wait_max": "5m"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # a killed worker's work is taken over when its lease is over
        cls.workers = [cls.world.host(f"worker{i}", roles="worker, schedule", lease_duration="5s",
                                      http_keep_alive_timeout="1m", drain_timeout="1m") for i in range(2)]

    def test_call__runs_on_a_worker_and_its_end_comes_back(self):
        wf = self.workflow([http_step("call", self.sink.url + "/sync", body={"n": "{{ trigger.body.n }}"})],
                           trigger=webhook("result", deadline="5m"))
        took = []
        for n in range(10):
            begun = time.monotonic()
            answer = wf.post({"n": n})
            self.assertEqual(answer.status, 200, answer)
            self.assertIn(b"/sync", answer.body)
            took.append(time.monotonic() - begun)
        self.assertLess(min(took), 1.5)  # told; the caller's host looks by itself only after 2 s
        self.assertEqual(self.host.runners(), [])
        self.assertTrue(any(w.runners() for w in self.workers))

    def test_worker__has_no_api(self):
        for worker in self.workers:
            self.assert_error(worker.client().get("workflows"), 404, "http.not_found")
            self.assertEqual(worker.client().raw("GET", "/ready").status, 200)

    def test_stopped_worker__does_not_wait_for_a_probe(self):
        worker = self.workers[0]
        with socket.create_connection(("127.0.0.1", worker.port), 30) as probe:
            probe.sendall(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            self.assertIn(b" 200 ", probe.recv(65536)[:20])
            begun = time.monotonic()
            self.assertEqual(worker.stop(), 0)
            self.assertLess(time.monotonic() - begun, 25)  # an idle connection is kept for 60 s, drains may last for 60 s
        worker.start()

    def test_cancel__reaches_the_worker(self):
        wf = self.workflow([http_step("call", f"{self.sink.url}/slow?{harness.HELD}", method="GET")])
        x = wf.run({}, until=("running",))
        self.assertEqual(self.client.post(f"executions/{x['id']}/cancel").status, 202)
        self.assertEqual(wait_execution(self.client, x["id"])["status"], "cancelled")

    def test_connector__a_toggle_reaches_the_workers(self):
        wf = self.workflow([http_step("call", self.sink.url + "/toggled")])
        self.assertEqual(wf.run({})["status"], "succeeded")
        self.assertEqual(self.admin.post("admin/connectors/http/disable").status, 200)
        try:
            def one_waits():  # a worker that has not heard of it yet may still run one
                x = wf.run({}, until=("waiting", *harness.FINAL))
                return x if x["status"] == "waiting" else None
            x = harness.wait_for("the workers to hear of it", one_waits)
        finally:
            self.assertEqual(self.admin.post("admin/connectors/http/enable").status, 200)
        self.assertEqual(wait_execution(self.client, x["id"])["status"], "succeeded")

    def test_killed_worker__the_other_takes_over(self):
        wf = self.workflow([http_step("call", f"{self.sink.url}/over?{harness.HELD}", repeatable=True,
                                      retry=quick_retry())])
        first, second = self.workers
        second.stop()
        ids = [wf.trigger({}) for _ in range(8)]
        harness.wait_for("the calls", lambda: len(self.sink.requests("/over")) >= 8)
        second.start()
        first.kill()
        self.addCleanup(first.start)
        harness.wait_for("the calls of the other worker", lambda: len(self.sink.requests("/over")) >= 16)
        self.sink.release()
        for i in ids:
            x = wait_execution(self.client, i)
            self.assertEqual(x["status"], "succeeded", x)
            self.assertGreaterEqual(x["recoveries"], 1, x)
        self.assertEqual(len({r["idempotency_key"] for r in self.sink.requests("/over")}), 8)

    def test_started_worker__tells_a_caller_that_waits_already(self):
        wf = self.workflow([{"id": "end", "type": "set", "with": {"n": "{{ trigger.body.n }}"}}],
                           trigger=webhook("result", deadline="5m"))
        for worker in self.workers:
            worker.stop()
        caller = threading.Thread(target=lambda: answers.append(wf.post({"n": 7}, client=self.host.client())))
        answers = []
        caller.start()
        harness.wait_for("the execution", lambda: self.client.get(f"executions?workflow_id={wf.id}").data)
        for worker in self.workers:
            worker.start()
        caller.join(60 * harness.PATIENCE)
        self.assertEqual([(a.status, a.data) for a in answers], [(200, {"n": 7})])


if __name__ == "__main__":
    harness.main()
