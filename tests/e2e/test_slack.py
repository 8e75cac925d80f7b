# SPDX-License-Identifier: Apache-2.0
"""
Slack against the strict mock of ../shared/contracts, which checks every request against the vendor's own description.
Skipped when that folder (or node, which it needs) is not there. The connector is the real one, built again with a
manifest that names the mock instead of slack.com: same C, same host, other address.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import harness
from harness import quick_retry, step, wait_execution

CONTRACTS = harness.ROOT.parent / "shared" / "contracts"


def post(text, **more):
    return {"id": "tell", "type": "action", "action": "slack.post_message", "connection": "team",
            "with": {"channel": "C1H9RESGL", "text": text}, **more}


class Mock:
    """The vendors' mock as a child process; what it needs from npm is installed into a copy of the folder."""

    def __init__(self, directory):
        self.dir, self.port = directory / "contracts", harness.free_port()
        self.dir.mkdir()
        for name in ("mock.mjs", "package.json", "package-lock.json"):
            shutil.copy(CONTRACTS / name, self.dir / name)
        shutil.copytree(CONTRACTS / "slack", self.dir / "slack")
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=self.dir, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        if done.returncode:
            raise unittest.SkipTest(f"the mock's packages cannot be installed: {done.stdout[-500:]}")
        with open(self.dir / "out", "wb") as out:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "node", "mock.mjs", "--port", str(self.port),
                                             "--vendors", "slack"], cwd=self.dir, stdout=out, stderr=out)
        harness.wait_for("the mock", self._up, 30)

    def _up(self):
        if self.process.poll() is not None:
            raise AssertionError((self.dir / "out").read_text())
        try:
            return harness.Client(self.port).raw("GET", "/__control/health").status == 200
        except OSError:
            return False

    def log(self):
        answer = json.loads(harness.Client(self.port).raw("GET", "/__control/log?since=0&vendor=slack").body)
        return answer if isinstance(answer, list) else answer.get("entries") or answer.get("log")

    def fault(self, **what):
        body = json.dumps({"vendor": "slack", "match": "chat\\.postMessage", **what}).encode()
        answer = harness.Client(self.port).raw("POST", "/__control/faults", body, {"Content-Type": "application/json"})
        assert answer.status < 300, answer

    def reset(self):
        harness.Client(self.port).raw("POST", "/__control/reset", b"")
        harness.Client(self.port).raw("DELETE", "/__control/faults")

    def stop(self):
        self.process.kill()
        self.process.wait()


def build_slack(target, base_url):
    """plugins/slack with another base_url and host in its manifest."""
    source = harness.ROOT / "plugins" / "slack"
    manifest = json.loads((source / "manifest.json").read_text())
    manifest["base_url"], manifest["hosts"] = base_url, ["127.0.0.1"]
    target.mkdir(parents=True, exist_ok=True)
    (target / "manifest.json").write_text(json.dumps(manifest))
    generated = target.parent.parent / "generated"
    generated.mkdir(exist_ok=True)
    subprocess.run(["cmake", f"-DIN={target}/manifest.json", f"-DOUT={generated}/manifest_embed.h", "-P",
                    harness.ROOT / "sdk" / "cmake" / "embed.cmake"], check=True)
    subprocess.run(["cc", "-std=gnu17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-D_GNU_SOURCE",
                    f"-I{harness.ROOT}/sdk/include", f"-I{generated}", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack",
                    *map(str, sorted(source.glob("*.c"))), *map(str, sorted((harness.ROOT / "sdk" / "src").glob("*.c"))),
                    "-o", target / "slack.so"], check=True)


class Slack(harness.HostCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("node") or not shutil.which("npm"):
            raise unittest.SkipTest("node, which the mock needs, is not installed")
        cls.world = harness.World()
        cls.addClassCleanup(cls.world.close)
        cls.mock = Mock(cls.world.dir)
        cls.addClassCleanup(cls.mock.stop)
        plugins = cls.world.dir / "connectors"
        plugins.mkdir()
        shutil.copytree(cls.world.programs["plugins"] / "http", plugins / "http")
        build_slack(plugins / "slack", f"http://127.0.0.1:{cls.mock.port}/slack/api")
        for path in [plugins, *plugins.rglob("*"), cls.world.dir / "generated"]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        cls.host = cls.world.host(connector_dir=plugins)
        cls.sink, cls.client = cls.world.sink, cls.host.client()
        made = cls.client.post("connections", {"name": "team", "connector": "slack", "credential": "bot",
                                               "values": {"token": "xoxb-canary-1234"}})
        assert made.status == 201, made
        cls.connection = made.data["id"]

    def setUp(self):
        self.mock.reset()

    def seen(self):
        return [e for e in self.mock.log() if e.get("operation") and "postMessage" in str(e["operation"])]

    def test_message__is_what_slack_describes(self):
        x = self.workflow([post("Ada ordered for {{ trigger.body.total }} <&> \"é\"")]).run({"total": 1400.4})
        self.assertEqual(x["status"], "succeeded", x)
        (entry,) = self.seen()
        self.assertEqual((entry["verdict"], entry.get("errors", [])), ("ok", []), entry)
        self.assertTrue(entry["headers"]["authorization"].startswith("Bearer xoxb-c"), entry)  # the mock shortens it
        self.assertIn("Ada ordered for 1400.4", json.dumps(entry["decoded"], ensure_ascii=False))
        self.assertTrue(step(x, "tell")["output"]["ts"])
        self.assertNotIn("xoxb-canary", str(x))

    def test_message__with_blocks_thread_and_looks(self):
        with_ = {"channel": "C1H9RESGL", "text": "t", "thread_ts": "1503435956.000247", "reply_broadcast": True,
                 "unfurl_links": False, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*x*"}}]}
        x = self.workflow([{**post("x"), "with": with_}]).run({})
        self.assertEqual(x["status"], "succeeded", x)
        self.assertEqual([e["verdict"] for e in self.seen()], ["ok"], self.seen())

    def test_429__waits_and_sends_once_more(self):
        self.mock.fault(kind="429", retry_after=2, count=1)
        x = self.workflow([post("again", retry=quick_retry())]).run({})
        self.assertEqual(x["status"], "succeeded", x)
        self.assertEqual(len(self.seen()), 2)
        self.assertGreaterEqual(x["duration_ms"], 1900)

    def test_lost_answer__is_never_sent_twice_by_itself(self):
        for kind in ("drop", "reset", "500"):
            self.mock.reset()
            self.mock.fault(kind=kind, count=1)
            x = self.workflow([post("once " + kind, retry=quick_retry())]).run(
                {}, until=lambda e: e["status"] in harness.FINAL or e["wait_reason"] == "decision")
            self.assertEqual((x["status"], x["wait_reason"]), ("waiting", "decision"), (kind, x))
            self.assertEqual(len(self.seen()), 1, kind)
            self.client.post(f"executions/{x['id']}/steps/tell/decision", {"decision": "mark_succeeded"})
            self.assertEqual(wait_execution(self.client, x["id"])["status"], "succeeded")

    def test_connection_test__asks_slack(self):
        answer = self.client.post(f"connections/{self.connection}/test")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual({e["verdict"] for e in self.mock.log()}, {"ok"}, self.mock.log())


if __name__ == "__main__":
    if not (CONTRACTS / "mock.mjs").exists():
        print(f"skipped: {CONTRACTS} is not here")
        sys.exit(harness.SKIP)
    harness.main()
