# SPDX-License-Identifier: Apache-2.0
"""
Slack as people use it: a connection, a workflow that posts with it, and what becomes of Slack's refusals. The far side is
the strict mock of ../shared/contracts, which holds every request against Slack's own description; a small server in
front of it only changes answers that the mock cannot give (Slack's own error codes). Skipped (77) without that folder
or node.
"""
import contextlib
import http.client
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness
from harness import quick_retry, step, wait_execution, wait_for

CONTRACTS = harness.ROOT.parent / "shared" / "contracts"
TOKEN = "xoxb-canary-4711-secret"


class Mock:
    """The mock with packages of its own, in a folder of its own. Stops with the test."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="patchbay-mock-"))
        for name in ("mock.mjs", "package.json", "package-lock.json"):
            shutil.copy2(CONTRACTS / name, self.dir)
        shutil.copytree(CONTRACTS / "slack", self.dir / "slack")
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=self.dir, check=True,
                       timeout=180)
        self.port = harness.free_port()
        with open(self.dir / "mock.out", "wb") as out:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                ["setpriv", "--pdeathsig", "KILL", "node", "mock.mjs", "--port", str(self.port), "--vendors", "slack"],
                cwd=self.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_for("the mock", self._up)

    def _up(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.control("GET", "/health")["ok"]
        return False

    def control(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            c.request(method, "/__control" + path, json.dumps(body) if body is not None else None)
            return json.loads(c.getresponse().read())
        finally:
            c.close()

    def fault(self, method, **more):
        self.control("POST", "/faults", {"vendor": "slack", "match": method.replace(".", "\\."), **more})

    def log(self, method=None):
        return [e for e in self.control("GET", "/log?vendor=slack") if method is None or method in e["path"]]

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir)


class Front(http.server.ThreadingHTTPServer):
    """Hands every request on to the mock; `answers[method]` are error codes that take the place of its next answers."""

    daemon_threads = True

    def __init__(self, mock):
        self.mock, self.answers, self.tokens, self.times = mock, {}, [], []
        super().__init__(("127.0.0.1", harness.free_port()), Passing)
        self.url = f"http://127.0.0.1:{self.server_port}/slack/api"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.tokens.append(self.headers.get("Authorization"))
        self.server.times.append(time.monotonic())
        c = http.client.HTTPConnection("127.0.0.1", self.server.mock.port, timeout=10)
        c.request("POST", self.path, body, {k: v for k, v in self.headers.items() if k.lower() != "host"})
        answer = c.getresponse()
        data, headers, status = answer.read(), answer.getheaders(), answer.status
        c.close()
        waiting = self.server.answers.get(self.path.rsplit("/", 1)[1])
        if waiting:
            data = json.dumps({"ok": False, "error": waiting.pop(0)}).encode()
        self.send_response(status)
        for name, value in headers:
            if name.lower() in ("content-type", "retry-after"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


class Slack(harness.HostCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.addClassCleanup(cls.mock.stop)
        cls.front = Front(cls.mock)
        cls.addClassCleanup(cls.front.stop)
        cls.SETTINGS = {"connector_base_urls": "slack=" + cls.front.url}
        super().setUpClass()
        made = cls.client.post("connections", {"name": "team", "connector": "slack", "credential": "bot",
                                               "values": {"token": TOKEN}})
        assert made.status == 201, made
        assert made.data["status"] == "untested", made
        cls.connection = made.data["id"]

    def setUp(self):
        self.mock.control("POST", "/reset")
        self.front.answers.clear()
        self.front.tokens.clear()
        self.front.times.clear()

    def tearDown(self):
        """Whatever a test does, Slack's description allows it."""
        wrong = [e for e in self.mock.log() if e["verdict"] != "ok"]
        self.assertEqual(wrong, [])

    def post_step(self, **more):
        return {"id": "tell", "type": "action", "action": "slack.post_message", "connection": "team",
                "with": {"channel": "C1H9RESGL", "text": "order {{ trigger.body.order }} \u00e9\U0001f680"}, **more}

    def try_connection(self):
        return self.client.post(f"connections/{self.connection}/test")

    def shown(self):
        return self.client.get(f"connections/{self.connection}").data

    def test_post__is_what_slack_takes_once(self):
        x = self.workflow([self.post_step()]).run({"order": "A-7"})
        self.assertEqual(x["status"], "succeeded", x)
        (seen,) = self.mock.log()
        self.assertEqual((seen["verdict"], seen["decoded"]["body"]["text"]), ("ok", "order A-7 \u00e9\U0001f680"))
        self.assertEqual(self.front.tokens, ["Bearer " + TOKEN])
        output = step(x, "tell")["output"]
        self.assertTrue(output["ts"])
        self.assertEqual(output["message"]["text"], "order A-7 \u00e9\U0001f680")
        self.assertNotIn(TOKEN, json.dumps(x))

    def test_rate_limit__waits_as_slack_asks_then_posts(self):
        self.mock.fault("chat.postMessage", kind="429", retry_after=2, count=1)
        x = self.workflow([self.post_step(retry=quick_retry())]).run({"order": 1})
        self.assertEqual(x["status"], "succeeded", x)
        attempts = step(x, "tell")["attempts"]
        self.assertEqual([(a["http_status"], a["class"]) for a in attempts], [(429, "rate_limited"), (200, None)])
        first, second = self.front.times
        self.assertGreaterEqual(second - first, 1.9)
        self.assertEqual(len(self.mock.log()), 2)

    def test_channel_not_found__names_the_parameter_and_is_not_repeated(self):
        self.front.answers["chat.postMessage"] = ["channel_not_found"]
        x = self.workflow([self.post_step(retry=quick_retry())]).run({"order": 1})
        self.assertEqual(x["status"], "failed", x)
        error = step(x, "tell")["error"]
        self.assertEqual((error["class"], error["pointer"]), ("invalid_input", "/channel"))
        self.assertIn("channel_not_found", json.dumps(error))
        self.assertEqual(len(self.mock.log()), 1)

    def test_invalid_auth__is_said_and_not_repeated(self):
        self.front.answers["chat.postMessage"] = ["invalid_auth"]
        x = self.workflow([self.post_step(retry=quick_retry())]).run({"order": 1})
        self.assertEqual(x["status"], "failed", x)
        error = step(x, "tell")["error"]
        self.assertEqual(error["class"], "auth_expired")
        self.assertIn("invalid_auth", json.dumps(error))
        self.assertNotIn(TOKEN, json.dumps(x))
        self.assertEqual(len(self.mock.log()), 1)

    def test_unclear__a_post_without_an_answer_is_not_sent_twice(self):
        self.mock.fault("chat.postMessage", kind="drop", count=1)
        execution = self.workflow([self.post_step(retry=quick_retry())]).trigger({"order": 1})
        x = wait_execution(self.client, execution, lambda e: e["status"] not in ("queued", "running"))
        self.assertNotEqual(x["status"], "succeeded", x)
        self.assertEqual(len(self.mock.log()), 1)

    def test_test__ok_keeps_status_and_says_who(self):
        answer = self.try_connection()
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((answer.data["status"], answer.data["status_reason"]), ("ok", None))
        self.assertRegex(answer.data["label"], r"^Subarachnoid Workspace / ")
        self.assertGreaterEqual(answer.data["duration_ms"], 0)
        (seen,) = self.mock.log()
        self.assertIn("/auth.test", seen["path"])
        self.assertEqual(self.front.tokens, ["Bearer " + TOKEN])
        self.assertEqual(self.shown()["status"], "ok")

    def test_test__refusals_and_failures(self):
        before = self.shown()["revision"]
        for code, status in (("invalid_auth", "needs_reconnect"), ("token_revoked", "needs_reconnect"),
                             ("missing_scope", "needs_reconnect"), ("internal_error", "failed"),
                             ("something_new", "failed")):
            with self.subTest(code=code):
                self.front.answers["auth.test"] = [code]
                answer = self.try_connection()
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual(answer.data["status"], status)
                self.assertTrue(answer.data["status_reason"])
                self.assertNotIn("label", answer.data)
                self.assertNotIn(TOKEN.encode(), answer.body)
                shown = self.shown()
                self.assertEqual((shown["status"], shown["status_reason"]), (status, answer.data["status_reason"]))
        self.assertEqual(self.shown()["revision"], before)

    def test_test__uses_what_was_saved_a_moment_ago(self):
        for n in range(5):
            token = f"xoxb-fresh-{n}"
            saved = self.client.put(f"connections/{self.connection}", {"values": {"token": token}})
            self.assertEqual((saved.status, saved.data["status"]), (200, "untested"), saved)
            self.assertEqual(self.try_connection().data["status"], "ok")
            self.assertEqual(self.front.tokens[-1], "Bearer " + token)
        self.client.put(f"connections/{self.connection}", {"values": {"token": TOKEN}})

    def test_test__disabled_connector_says_nothing_about_the_credential(self):
        self.assertEqual(self.try_connection().data["status"], "ok")
        changed = self.admin.post("admin/connectors/slack/disable")
        self.assertEqual(changed.status, 200, changed)
        try:
            self.assert_error(self.try_connection(), 503, "connector.disabled")
            self.assertEqual(self.shown()["status"], "ok")
        finally:
            self.assertEqual(self.admin.post("admin/connectors/slack/enable").status, 200)
        self.assertEqual(self.try_connection().data["status"], "ok")


if __name__ == "__main__":
    if not shutil.which("node") or not shutil.which("npm"):
        print("skipped: node is not here")
        sys.exit(harness.SKIP)
    harness.main(needs=[CONTRACTS / "mock.mjs", CONTRACTS / "slack" / "openapi.json"])
