# SPDX-License-Identifier: Apache-2.0
"""
The main job on real input: an order comes in by webhook, runs through steps and connectors, and every step can be
looked at. Then what happens when steps fail: retries, Retry-After, timeouts, branches, decisions, running again.
"""
import datetime
import json
import time
import unittest

import harness
from harness import HELD, definition, http_step, quick_retry, step, wait_execution, webhook

ORDER = {
    "order_id": "A-1001",
    "user": {"name": "Ada Lovelace", "email": "ada@example.com"},
    "items": [{"sku": "engine", "price": 1200.5, "qty": 1}, {"sku": "cards", "price": 19.99, "qty": 10}],
}


def when(text):
    return datetime.datetime.fromisoformat(text)


def order_steps(sink):
    return [
        {"id": "order", "type": "set", "with": {"customer": "{{ trigger.body.user.name }}",
                                                "total": "{{ trigger.body.items.sum(i => i.price * i.qty) }}"}},
        {"id": "big", "type": "if", "with": {"condition": "{{ steps.order.total >= 1000 }}"}},
        http_step("reserve", sink + "/reservations", body={"order": "{{ order_id }}",
                                                          "customer": "{{ steps.order.customer }}",
                                                          "total": "{{ steps.order.total }}"},
                  repeatable=True, retry=quick_retry()),
        {"id": "small", "type": "set", "with": {"note": "a small order of {{ user.name }}"}},
    ]


ORDER_EDGES = [["trigger", "order"], ["order", "big"], ["big.true", "reserve"], ["big.false", "small"]]


class MainJob(harness.HostCase):
    def test_order__every_step_recorded_with_input_output_and_times(self):
        wf = self.workflow(order_steps(self.sink.url), edges=ORDER_EDGES)
        self.sink.reset()
        before = datetime.datetime.now(datetime.timezone.utc)
        answer = wf.post(ORDER)
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(answer.data["status"], "queued")
        self.assertIs(answer.data["duplicate"], False)
        # P1: right after the 202 the execution can be read
        x = harness.execution(self.client, answer.data["execution_id"])
        x = wait_execution(self.client, x["id"])
        self.assertEqual(x["status"], "succeeded", x)
        self.assertEqual([s["id"] for s in x["steps"] if s["status"] == "succeeded"], ["order", "big", "reserve"])
        self.assertEqual(step(x, "small")["status"], "skipped")
        total = 1200.5 + 10 * 19.99
        self.assertEqual(step(x, "order")["output"]["customer"], "Ada Lovelace")
        self.assertAlmostEqual(step(x, "order")["output"]["total"], total, places=9)
        reserve = step(x, "reserve")
        self.assertEqual(reserve["input"]["url"], self.sink.url + "/reservations")
        self.assertEqual(reserve["input"]["body"]["order"], "A-1001")
        self.assertEqual(reserve["output"]["status"], 200)
        self.assertEqual(reserve["connector"], "http")
        self.assertEqual(reserve["connector_version"], "1.0.0")
        self.assertEqual(reserve["attempt_count"], 1)
        self.assertEqual(len(reserve["attempts"]), 1)
        self.assertEqual(reserve["attempts"][0]["status"], "succeeded")
        self.assertEqual(reserve["attempts"][0]["http_status"], 200)
        self.assertEqual(x["trigger"]["body"], ORDER)
        self.assertEqual(x["trigger"]["method"], "POST")
        # what the upstream saw is what was recorded
        (seen,) = self.sink.requests("/reservations")
        self.assertTrue(seen["idempotency_key"])
        self.assertEqual(reserve["output"]["body"]["received"]["path"], "/reservations")
        # times in order
        self.assertLessEqual(before - datetime.timedelta(seconds=1), when(x["created_at"]))
        for earlier, later in ((x["created_at"], x["started_at"]), (x["started_at"], x["finished_at"]),
                               (reserve["started_at"], reserve["finished_at"]),
                               (reserve["attempts"][0]["started_at"], reserve["attempts"][0]["finished_at"])):
            self.assertLessEqual(when(earlier), when(later), x)
        self.assertGreaterEqual(x["duration_ms"], 0)

    def test_order__small_goes_the_other_way(self):
        wf = self.workflow(order_steps(self.sink.url), edges=ORDER_EDGES)
        x = wf.run({**ORDER, "items": [{"sku": "card", "price": 2, "qty": 1}]})
        self.assertEqual(x["status"], "succeeded", x)
        self.assertEqual(step(x, "reserve")["status"], "skipped")
        self.assertEqual(step(x, "small")["output"], {"note": "a small order of Ada Lovelace"})

    def test_data__is_never_evaluated_and_keeps_its_type(self):
        wf = self.workflow([
            {"id": "copy", "type": "set", "with": {"text": "{{ trigger.body.text }}", "number": "{{ trigger.body.n }}",
                                                   "list": "{{ trigger.body.list }}", "big": "{{ trigger.body.big }}",
                                                   "mixed": "n={{ trigger.body.n }}", "gone": "{{ trigger.body.no }}"}},
            {"id": "again", "type": "set", "with": {"text": "{{ steps.copy.text }}"}}])
        x = wf.run(b'{"text":"{{ trigger.body.n }} \\u0000 \xc3\xa9","n":1.5,"list":[1,{"a":null}],"big":12345678901234567890123}')
        self.assertEqual(x["status"], "succeeded", x)
        out = step(x, "copy")["output"]
        self.assertEqual(out, {"text": "{{ trigger.body.n }} \0 é", "number": 1.5, "list": [1, {"a": None}],
                               "big": 12345678901234567890123, "mixed": "n=1.5", "gone": None})
        self.assertEqual(step(x, "again")["output"]["text"], out["text"])

    def test_trigger__other_bodies_methods_and_secret_headers(self):
        wf = self.workflow([{"id": "copy", "type": "set", "with": {"all": "{{ trigger }}"}}],
                           trigger=webhook(methods=["GET", "POST", "PUT", "DELETE"]))
        headers = {"Content-Type": "text/plain", "X-Thing": "1", "Authorization": "Bearer hush-hush", "Cookie": "hush=1"}
        answer = self.client.raw("PUT", wf.hook + "?a=1&b=%C3%A9&a=2", "plain é".encode(), headers)
        self.assertEqual(answer.status, 202, answer)
        t = wait_execution(self.client, answer.data["execution_id"])["trigger"]
        self.assertEqual((t["method"], t["body"], t["query"]), ("PUT", "plain é", {"a": "2", "b": "é"}))
        self.assertEqual(t["headers"]["x-thing"], "1")
        self.assertEqual(t["content_type"], "text/plain")
        self.assertNotIn("hush", str(t))
        self.assertNotIn(wf.hook.rsplit("/", 1)[1], str(t))
        self.assertEqual(self.client.raw("GET", wf.hook).status, 202)
        self.assert_error(self.client.raw("PATCH", wf.hook, b"{}"), 404, "hook.not_found")

    def test_run__by_hand_waits_for_its_result(self):
        wf = self.workflow([{"id": "sum", "type": "set", "with": {"n": "{{ trigger.body.a + 1 }}"}}],
                           trigger={"type": "manual"})
        self.assertIsNone(wf.hook)
        answer = self.client.post(f"workflows/{wf.id}/run?wait=true", {"data": {"a": 41}})
        self.assertIn(answer.status, (200, 202), answer)
        self.assertEqual(answer.data["result"], {"n": 42})
        answer = self.client.post(f"workflows/{wf.id}/run", {"data": {"a": 1}})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(wait_execution(self.client, answer.data["execution_id"])["status"], "succeeded")


class Failure(harness.HostCase):
    def test_retry__same_key_until_it_works(self):
        wf = self.workflow([http_step("call", self.sink.url + "/flaky1?status=503&status_times=2", repeatable=True,
                                      retry=quick_retry())])
        x = wf.run({})
        self.assertEqual(x["status"], "succeeded", x)
        s = step(x, "call")
        self.assertEqual(s["attempt_count"], 3)
        self.assertEqual([a["http_status"] for a in s["attempts"]], [503, 503, 200])
        self.assertEqual([a["number"] for a in s["attempts"]], [1, 2, 3])
        self.assertEqual(s["attempts"][0]["class"], "transient")
        seen = self.sink.requests("/flaky1")
        self.assertEqual(len(seen), 3)
        self.assertEqual(len({r["idempotency_key"] for r in seen} - {None}), 1, seen)
        waits = [(when(b["at"]) - when(a["at"])).total_seconds() for a, b in zip(seen, seen[1:])]
        self.assertGreaterEqual(waits[0], 0.05)
        self.assertGreaterEqual(waits[1], 0.1)  # doubled

    def test_retry__ends_after_max_attempts(self):
        wf = self.workflow([http_step("call", self.sink.url + "/never?status=500", method="PUT",
                                      retry=quick_retry(attempts=2)),
                            {"id": "after", "type": "set", "with": {"x": 1}}])
        x = wf.run({})
        self.assertEqual(x["status"], "failed", x)
        self.assertEqual(x["error"]["step"], "call")
        self.assertEqual(step(x, "call")["attempt_count"], 2)
        self.assertEqual(step(x, "call")["error"]["http_status"], 500)
        self.assertNotIn("after", [s["id"] for s in x["steps"] if s["status"] == "succeeded"])
        self.assertEqual(len(self.sink.requests("/never")), 2)

    def test_retry__not_for_permanent_errors(self):
        wf = self.workflow([http_step("call", self.sink.url + "/bad?status=400", method="PUT", retry=quick_retry())])
        x = wf.run({})
        self.assertEqual(x["status"], "failed", x)
        self.assertEqual(len(self.sink.requests("/bad")), 1)

    def test_retry_after__is_respected(self):
        wf = self.workflow([http_step("call", self.sink.url + "/busy?status=429&status_times=1&retry_after=2",
                                      retry=quick_retry())])
        x = wf.run({})
        self.assertEqual(x["status"], "succeeded", x)
        a, b = self.sink.requests("/busy")
        self.assertGreaterEqual((when(b["at"]) - when(a["at"])).total_seconds(), 1.9)
        self.assertEqual(step(x, "call")["attempts"][0]["class"], "rate_limited")

    def test_retry__long_wait_is_shown_as_waiting(self):
        def workflow(wait):
            return self.workflow([http_step("call", self.sink.url + "/later?status=503&status_times=1", method="PUT",
                                            retry=quick_retry(initial=wait, longest=wait))])
        x = workflow("1h").run({}, until=("waiting", *harness.FINAL))
        self.assertEqual((x["status"], x["wait_reason"]), ("waiting", "retry"), x)
        s = step(x, "call")
        self.assertEqual(s["status"], "retrying")
        wait = when(s["next_attempt_at"]) - when(s["attempts"][0]["finished_at"])
        self.assertAlmostEqual(wait.total_seconds(), 3600, delta=30)
        self.assertEqual(self.client.post(f"executions/{x['id']}/cancel").status, 202)
        x = workflow("4s").run({})
        self.assertEqual(x["status"], "succeeded")
        self.assertGreaterEqual(x["duration_ms"], 3900)

    def test_timeout__of_a_repeatable_step_fails_it(self):
        wf = self.workflow([http_step("call", self.sink.url + "/hang?body=hang", method="GET", timeout="500ms",
                                      retry=quick_retry(attempts=2))])
        begun = time.monotonic()
        x = wf.run({})
        self.assertEqual(x["status"], "failed", x)
        self.assertLess(time.monotonic() - begun, 30, "the service's own limit, 30 s each, has ended them")
        self.assertEqual(step(x, "call")["attempt_count"], 2)
        self.assertIn(step(x, "call")["attempts"][0]["class"], ("timeout", "transient"))

    def unknown(self, path):
        """An execution whose POST was cut off: it may have happened."""
        wf = self.workflow([http_step("pay", self.sink.url + path + "?body=reset", retry=quick_retry()),
                            {"id": "after", "type": "set", "with": {"paid": "{{ steps.pay }}"}}])
        x = wf.run({}, until=("waiting", *harness.FINAL))
        self.assertEqual((x["status"], x["wait_reason"]), ("waiting", "decision"), x)
        self.assertEqual(step(x, "pay")["status"], "outcome_unknown")
        self.assertEqual(len(self.sink.requests(path)), 1)
        return x["id"]

    def decide(self, execution_id, body, step_id="pay"):
        return self.client.post(f"executions/{execution_id}/steps/{step_id}/decision", body)

    def test_decision__mark_succeeded_goes_on_with_the_output(self):
        x = self.unknown("/pay1")
        self.assertEqual(self.decide(x, {"decision": "mark_succeeded", "output": {"id": 7}}).status, 202)
        x = wait_execution(self.client, x)
        self.assertEqual(x["status"], "succeeded", x)
        self.assertEqual(step(x, "after")["output"], {"paid": {"id": 7}})
        self.assertEqual(len(self.sink.requests("/pay1")), 1)

    def test_decision__retry_calls_again_with_the_same_key(self):
        x = self.unknown("/pay2")
        self.assertEqual(self.decide(x, {"decision": "retry"}).status, 202)
        harness.wait_for("the second call", lambda: len(self.sink.requests("/pay2")) == 2)
        self.assertEqual(len({r["idempotency_key"] for r in self.sink.requests("/pay2")}), 1)
        wait_execution(self.client, x, lambda e: e["wait_reason"] == "decision")
        self.assertEqual(self.decide(x, {"decision": "fail"}).status, 202)
        self.assertEqual(wait_execution(self.client, x)["status"], "failed")

    def test_decision__refused_where_none_is_wanted(self):
        x = self.unknown("/pay3")
        self.assert_error(self.decide(x, {"decision": "maybe"}), 422, "execution.decision_unknown")
        self.assert_error(self.decide(x, {"decision": "fail", "output": 1}), 422, "execution.output_not_wanted")
        self.assert_error(self.decide(x, {"decision": "fail"}, "after"), 404, "execution.step_unknown")
        self.assert_error(self.decide(x, {"decision": "fail"}, "nowhere"), 404, "execution.step_unknown")
        self.assertEqual(self.decide(x, {"decision": "fail"}).status, 202)
        x = wait_execution(self.client, x)
        self.assertEqual(x["status"], "failed")
        late = self.decide(x["id"], {"decision": "fail"})
        self.assert_error(late, 409)
        self.assertIn(late.code, ("execution.final", "execution.no_decision_wanted"))

    def test_cancel__a_running_and_a_waiting_one(self):
        wf = self.workflow([http_step("call", f"{self.sink.url}/slow?{HELD}", method="GET")])
        x = wf.run({}, until=("running",))
        self.assertEqual(self.client.post(f"executions/{x['id']}/cancel").status, 202)
        begun = time.monotonic()
        x = wait_execution(self.client, x["id"])
        self.assertEqual(x["status"], "cancelled", x)
        self.assertLess(time.monotonic() - begun, 25, "it was the call's timeout of 30 s")
        self.assert_error(self.client.post(f"executions/{x['id']}/cancel"), 409, "execution.final")
        waiting = self.unknown("/pay4")
        self.assertEqual(self.client.post(f"executions/{waiting}/cancel").status, 202)
        self.assertEqual(wait_execution(self.client, waiting)["status"], "cancelled")

    def test_retry_of__keeps_what_was_committed(self):
        wf = self.workflow([http_step("first", self.sink.url + "/first", repeatable=True),
                            http_step("second", self.sink.url + "/second?status=500&status_times=2", repeatable=True,
                                      retry=quick_retry(attempts=1))])
        x = wf.run({})
        self.assertEqual(x["status"], "failed", x)
        running = wf.trigger({})
        again = self.client.post(f"executions/{x['id']}/retry", {})
        self.assertEqual(again.status, 202, again)
        y = wait_execution(self.client, again.data["execution_id"])
        self.assertEqual(y["retry_of"], x["id"])
        self.assertEqual(y["status"], "failed", y)  # the second of its two failures
        self.assertEqual(step(y, "second")["idempotency_key"], step(x, "second")["idempotency_key"])
        z = wait_execution(self.client, self.client.post(f"executions/{y['id']}/retry").data["execution_id"])
        self.assertEqual(z["status"], "succeeded", z)
        self.assertEqual(step(z, "first")["output"], step(x, "first")["output"])
        wait_execution(self.client, running)
        self.assertEqual(len(self.sink.requests("/first")), 2)  # of x and of the other one; y and z took x's
        keys = [r["idempotency_key"] for r in self.sink.requests("/second")]
        self.assertEqual(len(set(keys)), 2)
        self.assert_error(self.client.post(f"executions/{x['id']}/retry", {"from_step": "no"}), 422,
                          "execution.from_step_unknown")

    def test_retry_of__from_a_step_runs_it_anew(self):
        wf = self.workflow([http_step("first", self.sink.url + "/re1", repeatable=True),
                            http_step("second", self.sink.url + "/re2", repeatable=True)])
        x = wf.run({})
        self.assertEqual(x["status"], "succeeded", x)
        again = self.client.post(f"executions/{x['id']}/retry", {"from_step": "second"})
        y = wait_execution(self.client, again.data["execution_id"])
        self.assertEqual(y["status"], "succeeded", y)
        self.assertEqual(len(self.sink.requests("/re1")), 1)
        self.assertEqual(len(self.sink.requests("/re2")), 2)

    def test_retry_of__not_while_it_runs(self):
        x = self.unknown("/pay5")
        self.assert_error(self.client.post(f"executions/{x}/retry"), 409, "execution.not_final")
        self.client.post(f"executions/{x}/cancel")


class Graph(harness.HostCase):
    def test_join__all_waits_and_any_does_not(self):
        edges = [["trigger", "slow"], ["trigger", "quick"], ["slow", "end"], ["quick", "end"]]
        for join in ("all", "any"):
            slow = http_step("slow", f"{self.sink.url}/{join}/slow?{HELD}", method="GET")
            quick = http_step("quick", f"{self.sink.url}/{join}/quick", method="GET")
            end = http_step("end", f"{self.sink.url}/{join}/end", repeatable=True, join=join,
                            body={"q": "{{ steps.quick.status }}", "s": "{{ steps.slow.status }}"})
            wf = self.workflow([slow, quick, end], edges=edges)
            x = wf.trigger({})
            # both at the same time
            for name in ("slow", "quick"):
                harness.wait_for(f"the call of {name}", lambda name=name: self.sink.requests(f"/{join}/{name}"))
            if join == "any":
                harness.wait_for("the end, which does not wait", lambda: self.sink.requests("/any/end"))
            self.sink.release()
            x = wait_execution(self.client, x)
            self.assertEqual(x["status"], "succeeded", x)
            (seen,) = self.sink.requests(f"/{join}/end")
            self.assertEqual(json.loads(seen["body"]), {"q": 200, "s": 200 if join == "all" else None}, join)
            # and both were finished before the execution
            self.assertEqual({s["id"]: s["status"] for s in x["steps"]},
                             {"slow": "succeeded", "quick": "succeeded", "end": "succeeded"})

    def test_skip__goes_down_the_graph(self):
        x = self.workflow([{"id": "no", "type": "if", "with": {"condition": False}},
                           {"id": "a", "type": "set", "with": {"x": 1}}, {"id": "b", "type": "set", "with": {"x": 2}},
                           {"id": "c", "type": "set", "with": {"x": 3}}],
                          edges=[["trigger", "no"], ["no.true", "a"], ["a", "b"], ["no.false", "c"], ["b", "c"]]).run({})
        self.assertEqual(x["status"], "succeeded", x)
        self.assertEqual({s["id"]: s["status"] for s in x["steps"]},
                         {"no": "succeeded", "a": "skipped", "b": "skipped", "c": "succeeded"})

    def test_on_error__edge_continue_and_fail(self):
        broken = http_step("call", self.sink.url + "/broken?status=400", method="GET")
        rescue = {"id": "rescue", "type": "set", "with": {"why": "{{ errors.call.code }}"}}
        normal = {"id": "normal", "type": "set", "with": {"out": "{{ steps.call }}", "why": "{{ errors.call.message }}"}}
        x = self.workflow([broken, rescue, normal],
                          edges=[["trigger", "call"], ["call.error", "rescue"], ["call", "normal"]]).run({})
        self.assertEqual(x["status"], "succeeded", x)
        self.assertEqual(step(x, "call")["status"], "failed")
        self.assertTrue(step(x, "rescue")["output"]["why"])
        self.assertEqual(step(x, "normal")["status"], "skipped")
        x = self.workflow([{**broken, "on_error": "continue"}, normal]).run({})
        self.assertEqual(x["status"], "succeeded", x)
        self.assertIsNone(step(x, "normal")["output"]["out"])
        self.assertTrue(step(x, "normal")["output"]["why"])
        x = self.workflow([broken, normal]).run({})
        self.assertEqual(x["status"], "failed", x)

    def test_expression__error_at_run_time_fails_the_step(self):
        x = self.workflow([{"id": "bad", "type": "set", "with": {"x": "{{ trigger.body.text * 2 }}"}}]).run({"text": "no"})
        self.assertEqual(x["status"], "failed", x)
        self.assertEqual(x["error"]["code"], "expr.type")
        self.assertEqual(x["error"]["step"], "bad")

    def test_version__a_running_execution_stays_on_its_own(self):
        wf = self.workflow([http_step("slow", self.sink.url + "/v?delay_ms={{ trigger.body.delay }}", method="GET"),
                            {"id": "end", "type": "set", "with": {"v": 1}}])
        old = wf.trigger({"delay": 3600000})
        harness.wait_for("the old one's call", lambda: self.sink.requests("/v"))
        saved = self.client.put(f"workflows/{wf.id}", {"definition": definition(
            [{"id": "end", "type": "set", "with": {"v": 2}}], name="new")})
        self.assertEqual(saved.status, 200, saved)
        new = harness.wait_for("the new version to be used", lambda: (
            lambda x: x if x["workflow_version"] == 2 else None)(wf.run({"delay": 0})))
        self.assertEqual(step(new, "end")["output"], {"v": 2})
        self.sink.release()
        self.assertEqual(step(wait_execution(self.client, old), "end")["output"], {"v": 1})


class Sync(harness.HostCase):
    SETTINGS = {"sync_wait_max": "60s"}

    def test_result__is_the_output_of_the_last_step(self):
        wf = self.workflow([http_step("call", self.sink.url + "/sync", repeatable=True, body={"n": 1}),
                            {"id": "end", "type": "set", "with": {"answer": "{{ steps.call.status }}"}}],
                           trigger=webhook("result"))
        answer = wf.post({})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.data, {"answer": 200})

    def test_result__failure_is_told(self):
        wf = self.workflow([http_step("call", self.sink.url + "/sync?status=400", method="GET")], trigger=webhook("result"))
        (error,) = self.assert_error(wf.post({}), 500, "execution.failed")
        self.assertEqual(error["details"]["status"], "failed")
        self.assertEqual(harness.execution(self.client, error["details"]["execution_id"])["status"], "failed")

    def test_result__deadline_gives_504_and_the_execution_goes_on(self):
        wf = self.workflow([http_step("call", f"{self.sink.url}/sync?{HELD}", method="GET"),
                            {"id": "end", "type": "set", "with": {"x": 1}}], trigger=webhook("result", deadline="1s"))
        (error,) = self.assert_error(wf.post({}), 504, "execution.result_timeout")
        harness.wait_for("the call", lambda: self.sink.requests("/sync"))  # it may be later than the answer
        self.sink.release()
        x = wait_execution(self.client, error["details"]["execution_id"])
        self.assertEqual(x["status"], "succeeded", x)

    def test_result__repeated_with_its_key_is_the_same(self):
        wf = self.workflow([{"id": "end", "type": "set", "with": {"id": "{{ execution.id }}"}}], trigger=webhook("result"))
        first = wf.post({"a": 1}, headers={"Idempotency-Key": "k1"})
        second = wf.post({"a": 1}, headers={"Idempotency-Key": "k1"})
        self.assertEqual((first.status, second.status), (200, 200), second)
        self.assertEqual(first.data, second.data)
        self.assert_error(wf.post({"a": 2}, headers={"Idempotency-Key": "k1"}), 409, "idempotency.conflict")

    def test_result__many_at_once(self):
        wf = self.workflow([http_step("call", self.sink.url + "/many?delay_ms=300", repeatable=True)],
                           trigger=webhook("result"))
        answers = harness.in_threads(8, lambda i: wf.post({"i": i}, client=self.host.client()))
        self.assertEqual([a.status for a in answers], [200] * 8, answers)
        ids = {a.data["body"]["received"]["idempotency_key"] for a in answers}
        self.assertEqual(len(ids), 8)


if __name__ == "__main__":
    harness.main()
