# SPDX-License-Identifier: Apache-2.0
"""
What becomes of Slack's refusals, in a step and in the test of a connection. The far side is the strict mock of
../shared/contracts (see test_slack.py), reached through the setting connector_base_urls; a small server in front of it
only changes answers that the mock cannot give, Slack's own error codes. Skipped without that folder or node.
"""
import http.client
import http.server
import json
import shutil
import sys
import threading
import time

import harness
from harness import quick_retry, step
from test_slack import CONTRACTS, Mock

TOKEN = "xoxb-canary-4711-secret"


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
        c = http.client.HTTPConnection("127.0.0.1", self.server.mock.port, timeout=60)
        try:
            c.request("POST", self.path, body, {k: v for k, v in self.headers.items() if k.lower() != "host"})
            answer = c.getresponse()
            data, headers, status = answer.read(), answer.getheaders(), answer.status
        except (OSError, http.client.HTTPException):  # the mock hung up, so does this
            self.close_connection = True
            return
        finally:
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


class Refusals(harness.HostCase):
    @classmethod
    def setUpClass(cls):
        cls.world = harness.World()
        cls.addClassCleanup(cls.world.close)
        cls.mock = Mock(cls.world.dir)
        cls.addClassCleanup(cls.mock.stop)
        cls.front = Front(cls.mock)
        cls.addClassCleanup(cls.front.stop)
        cls.host = cls.world.host(connector_base_urls="slack=" + cls.front.url)
        cls.sink, cls.client, cls.admin = cls.world.sink, cls.host.client(), cls.host.client(cls.world.admin)
        made = cls.client.post("connections", {"name": "team", "connector": "slack", "credential": "bot",
                                               "values": {"token": TOKEN}})
        assert (made.status, made.data["status"]) == (201, "untested"), made
        cls.connection = made.data["id"]

    def setUp(self):
        self.mock.reset()
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

    def test_rate_limit__waits_as_slack_asks_then_posts(self):
        self.mock.fault(kind="429", retry_after=2, count=1)
        x = self.workflow([self.post_step(retry=quick_retry())]).run({"order": 1})
        self.assertEqual(x["status"], "succeeded", x)
        attempts = step(x, "tell")["attempts"]
        self.assertEqual([(a["http_status"], a.get("class")) for a in attempts], [(429, "rate_limited"), (200, None)])
        first, second = self.front.times
        self.assertGreaterEqual(second - first, 1.9)
        self.assertEqual(len(self.mock.log()), 2)

    def test_channel_not_found__names_the_parameter_and_is_not_repeated(self):
        self.front.answers["chat.postMessage"] = ["channel_not_found"]
        x = self.workflow([self.post_step(retry=quick_retry())]).run({"order": 1})
        self.assertEqual(x["status"], "failed", x)
        error = step(x, "tell")["error"]
        self.assertEqual((error["class"], error["service_code"], error["pointer"]),
                         ("invalid_input", "channel_not_found", "/channel"))
        self.assertEqual(len(self.mock.log()), 1)

    def test_invalid_auth__fails_with_its_class(self):
        """A credential might have been refreshed meanwhile, so the step's attempts are used up; nothing was posted."""
        self.front.answers["chat.postMessage"] = ["invalid_auth"] * 2
        x = self.workflow([self.post_step(retry=quick_retry(attempts=2))]).run({"order": 1})
        self.assertEqual(x["status"], "failed", x)
        error = step(x, "tell")["error"]
        self.assertEqual((error["class"], error["service_code"]), ("auth_expired", "invalid_auth"))
        self.assertNotIn(TOKEN, json.dumps(x))
        self.assertEqual(len(self.mock.log()), 2)

    def test_connection_test__ok_keeps_status_and_says_who(self):
        answer = self.try_connection()
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((answer.data["status"], answer.data["status_reason"]), ("ok", None))
        self.assertRegex(answer.data["label"], r"^Subarachnoid Workspace / ")
        self.assertGreaterEqual(answer.data["duration_ms"], 0)
        (seen,) = self.mock.log()
        self.assertIn("auth.test", seen["operation"])
        self.assertEqual(self.front.tokens, ["Bearer " + TOKEN])
        self.assertEqual(self.shown()["status"], "ok")

    def test_connection_test__refusals_and_failures(self):
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

    def test_connection_test__uses_what_was_saved_a_moment_ago(self):
        for n in range(5):
            token = f"xoxb-fresh-{n}"
            saved = self.client.put(f"connections/{self.connection}", {"values": {"token": token}})
            self.assertEqual((saved.status, saved.data["status"]), (200, "untested"), saved)
            self.assertEqual(self.try_connection().data["status"], "ok")
            self.assertEqual(self.front.tokens[-1], "Bearer " + token)
        self.client.put(f"connections/{self.connection}", {"values": {"token": TOKEN}})

    def test_connection_test__disabled_connector_says_nothing_about_the_credential(self):
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
        print("skipped: node, which the mock needs, is not installed")
        sys.exit(harness.SKIP)
    harness.main(needs=[CONTRACTS / "mock.mjs"])
