# SPDX-License-Identifier: Apache-2.0
"""
Testing a connection: the HTTP connector asks the address that the connection names for it, with the sink as the service;
the outcome is the connection's status. (With a connector that always has a test: test_slack_refusals.py.)
"""
import json
import threading
import time

import harness
from harness import HELD


class HttpConnection(harness.HostCase):
    """The test of the HTTP connector's connections, with the sink as the service."""

    def made(self, credential, **values):
        answer = self.client.post("connections", {"name": f"{credential} {values.get('test_url', 'none')}"[-100:],
                                                  "connector": "http", "credential": credential,
                                                  "values": {"host": "127.0.0.1", **values}})
        self.assertEqual(answer.status, 201, answer)
        return answer.data["id"]

    def outcome(self, connection):
        answer = self.client.post(f"connections/{connection}/test")
        self.assertEqual(answer.status, 200, answer)
        shown = self.client.get(f"connections/{connection}").data
        self.assertEqual((shown["status"], shown["status_reason"]), (answer.data["status"], answer.data["status_reason"]))
        return answer.data

    def test_ok__the_credential_was_sent(self):
        secrets = {"bearer": ({"token": "tok-1"}, "Bearer tok-1"),
                   "basic": ({"username": "ada", "password": "pw"}, "Basic YWRhOnB3"),
                   "header": ({"name": "X-My-Key", "value": "key-3"}, "key-3")}
        for credential, (values, sent) in secrets.items():
            with self.subTest(credential=credential):
                self.sink.reset()
                path = f"/me/{credential}"
                data = self.outcome(self.made(credential, test_url=self.sink.url + path, **values))
                self.assertEqual((data["status"], data["status_reason"]), ("ok", None))
                (seen,) = self.sink.requests(path)
                self.assertEqual(seen["method"], "GET")
                self.assertIsNone(seen["idempotency_key"])
                self.assertIn(sent, json.dumps(seen))

    def test_failure__by_status(self):
        for status, want in ((401, "needs_reconnect"), (403, "needs_reconnect"), (404, "failed"), (500, "failed"),
                             (429, "failed")):
            with self.subTest(status=status):
                url = f"{self.sink.url}/me?status={status}"
                data = self.outcome(self.made("bearer", test_url=url, token="tok-2"))
                self.assertEqual(data["status"], want)
                self.assertIn(str(status), data["status_reason"])

    def test_failure__nobody_answers(self):
        data = self.outcome(self.made("bearer", test_url=f"http://127.0.0.1:{harness.free_port()}/", token="tok-2"))
        self.assertEqual(data["status"], "failed")
        self.assertTrue(data["status_reason"])

    def test_failure__an_answer_that_does_not_come(self):
        before = time.monotonic()
        data = self.outcome(self.made("bearer", test_url=f"{self.sink.url}/slow?{HELD}", token="tok-2"))
        self.assertEqual(data["status"], "failed")  # after 15 s; this client would give up after 60
        self.assertGreater(time.monotonic() - before, 14)

    def test_failure__another_host_would_prove_nothing(self):
        self.sink.reset()
        url = self.sink.url.replace("127.0.0.1", "localhost") + "/elsewhere"
        data = self.outcome(self.made("bearer", test_url=url, token="tok-2"))
        self.assertEqual(data["status"], "failed")
        self.assertEqual(self.sink.requests("/elsewhere"), [])

    def test_none__without_an_address(self):
        connection = self.made("bearer", token="tok-2")
        self.assert_error(self.client.post(f"connections/{connection}/test"), 422, "connection.no_test")
        self.assertEqual(self.client.get(f"connections/{connection}").data["status"], "untested")

    def test_unknown__and_another_tenants(self):
        self.sink.reset()
        connection = self.made("bearer", test_url=self.sink.url + "/mine", token="tok-2")
        stranger = self.host.client(self.world.second_tenant(self.client))
        for answer in (stranger.post(f"connections/{connection}/test"),
                       self.client.post("connections/01a1fc0d-b0d5-70b5-a518-c83fb9c904ad/test")):
            self.assert_error(answer, 404, "connection.not_found")
        self.assertEqual(self.sink.requests("/mine"), [])
        self.assertEqual(self.client.get(f"connections/{connection}").data["status"], "untested")

    def test_outcome__of_values_that_were_changed_meanwhile_is_not_kept(self):
        self.sink.reset()
        path = "/late"
        connection = self.made("bearer", test_url=f"{self.sink.url}{path}?{HELD}", token="tok-2")

        def act(i):
            client = self.host.client()
            if i == 0:
                return client.post(f"connections/{connection}/test")
            harness.wait_for("the test's request", lambda: self.sink.requests(path))
            changed = client.put(f"connections/{connection}", {"values": {"token": "tok-3"}})
            self.sink.release()
            return changed
        tested, changed = harness.in_threads(2, act)
        self.assertEqual((changed.status, changed.data["status"]), (200, "untested"), changed)
        self.assertEqual((tested.status, tested.data["status"]), (200, "ok"), tested)
        self.assertEqual(self.client.get(f"connections/{connection}").data["status"], "untested")

    def test_many__are_bounded_and_each_is_answered(self):
        """More than may run at once: some are told to come back, none waits in line or is lost."""
        connection = self.made("bearer", test_url=f"{self.sink.url}/crowd?{HELD}", token="tok-2")
        at_once = 16
        answers, crowd = [], []

        def one():
            answers.append(self.host.client().post(f"connections/{connection}/test"))
        for _ in range(40):
            crowd.append(threading.Thread(target=one))
            crowd[-1].start()
        harness.wait_for("as many as may run, and an answer for all others",
                         lambda: len(self.sink.requests("/crowd")) == at_once and len(answers) == 40 - at_once)
        self.sink.release()
        for thread in crowd:
            thread.join()
        codes = [a.status for a in answers]
        self.assertEqual((codes.count(200), codes.count(503)), (at_once, 40 - at_once), answers)
        self.assertEqual({a.code for a in answers if a.status == 503}, {"connection.test_busy"})
        self.assertEqual({a.data["status"] for a in answers if a.status == 200}, {"ok"})
        after = self.made("bearer", test_url=self.sink.url + "/after", token="tok-2")
        self.assertEqual(self.outcome(after)["status"], "ok")


if __name__ == "__main__":
    harness.main()
