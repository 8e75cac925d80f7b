# SPDX-License-Identifier: Apache-2.0
"""
The host dies at every named point of its sources, once each; started again it must have lost nothing and repeated
nothing. The list of points is read from the sources, and a point that the load below does not reach is a failure.
"""
import http.client
import re
import time
import unittest

import harness
from chaos_load import Driver, Journal, make_workflows
from chaos_oracle import UNKNOWN_STEPS, Ledger, Oracle

POINT = re.compile(r'CRASHPOINT\("([a-z0-9_.]+)"\)')
CRASHED = 137


def all_points():
    """Every CRASHPOINT("name") of core/, without the macro's own documentation."""
    found = set()
    for path in (harness.ROOT / "core").rglob("*.c"):
        found |= set(POINT.findall(path.read_text()))
    return sorted(found)


class CrashPoints(unittest.TestCase):
    def setUp(self):
        self.world = harness.World(journal=True, lease_duration="1s")
        self.addCleanup(self.world.close)
        self.host = self.world.host()
        self.host.wanted = True
        self.workflows = make_workflows(self.host.client(), self.world.sink.url)
        self.ledger = Ledger(self.world.sink.journal_path)
        self.journal = Journal(self.world.dir / "driver.journal")
        self.decisions = []

    def pass_point(self, name, number):
        """One batch of load during which the host dies at @name and comes back without it."""
        self.host.stop()
        self.host.spawn(allow_crash_points="true", crash_at=f"{name}:1")
        driver = Driver(self.journal, self.workflows, [self.host], 24, 0.5, f"{name} {number}")
        driver.start()
        if name.startswith("engine.sweep"):
            self.leave_behind()
        try:
            status = self.host.process.wait(60 * harness.PATIENCE)
        except harness.subprocess.TimeoutExpired:
            self.host.kill()
            status = None
        self.host.start()
        driver.join(120 * harness.PATIENCE)
        return status

    def leave_behind(self):
        """The sweeper finds something: a message is lost with the whole store of the queue."""
        self.world.servers.kill("nats")
        self.world.servers.wipe_nats_store()
        client, end = self.host.client(timeout=10), time.monotonic() + 60 * harness.PATIENCE
        while time.monotonic() < end and self.host.alive():
            try:
                self.workflows["repeat"].post({"key": "left", "kind": "repeat", "delay": 0}, client=client)
                break
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
        self.world.servers.start("nats")

    def drain(self):
        def idle():
            for row in self.world.database.rows(UNKNOWN_STEPS):
                called = self.ledger.read().calls.get((row["id"], row["step_id"]))
                decision = "mark_succeeded" if called else "retry"
                answer = self.host.client().post(f"executions/{row['id']}/steps/{row['step_id']}/decision",
                                                 {"decision": decision})
                if answer.status == 202:
                    self.decisions.append({"execution": row["id"], "step": row["step_id"], "decision": decision})
            return self.world.database.value("SELECT count(*) AS n FROM execution") == "0"
        harness.wait_for("every execution to end", idle, 150, 0.1)
        harness.wait_for("the stream to be empty", lambda: not self.world.servers.nats_stream().get("messages"), 150, 0.2)

    def test_every_point__is_hit_and_harmless(self):
        points = all_points()
        self.assertGreaterEqual(len(points), 15)
        results = {name: self.pass_point(name, i) for i, name in enumerate(points)}
        self.drain()
        oracle = Oracle(self.world.database, self.world.servers, self.journal, self.ledger, self.decisions)
        violations = [v for v in oracle.judge() if "(left)" not in v]
        print(f"\n{len(points)} points, {len(oracle.executions)} executions, {len(self.decisions)} decisions: "
              + " ".join(f"{name}={status}" for name, status in results.items()))
        self.assertEqual(violations, [])
        self.assertEqual({n: s for n, s in results.items() if s != CRASHED}, {}, "these points were not hit")

    def test_retry__keeps_its_results_when_the_host_dies_before_writing_any(self):
        sink = self.world.sink
        wf = harness.Workflow(self.host.client(), [
            harness.http_step("first", sink.url + "/kept"),
            harness.http_step("second", sink.url + "/bad?status=400", method="PUT")])
        old = wf.run({})
        self.assertEqual(old["status"], "failed")
        self.host.stop()
        self.host.start(allow_crash_points="true", crash_at="engine.load.kept:1")
        again = self.host.client().post(f"executions/{old['id']}/retry", {}).data["execution_id"]
        self.assertEqual(self.host.process.wait(60 * harness.PATIENCE), CRASHED)
        self.host.start()
        new = harness.wait_execution(self.host.client(), again)
        self.assertGreaterEqual(new["recoveries"], 1)
        self.assertEqual(harness.step(new, "first")["status"], "succeeded")
        self.assertEqual(harness.step(new, "second")["status"], "failed")
        self.assertEqual(len(sink.requests("/kept")), 1, "a finished call was made again")


if __name__ == "__main__":
    harness.main()
