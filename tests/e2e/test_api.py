# SPDX-License-Identifier: Apache-2.0
"""
The contract of the REST API as a client sees it: one envelope for every answer, request ids, idempotency keys, ETags,
cursors. And input that is wrong on purpose.
"""
import concurrent.futures
import json
import re
import socket
import unittest
import uuid

import harness
from harness import definition, http_step, wait_execution, webhook

SET = [{"id": "a", "type": "set", "with": {"x": 1}}]


class Contract(harness.HostCase):
    SETTINGS = {"max_body_bytes": "64KB"}

    def test_success__has_the_whole_envelope(self):
        answer = self.client.get("workflows", headers={"X-Request-Id": "my-request-0001"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(set(answer.json), {"success", "message", "data", "meta", "errors"})
        self.assertIs(answer.json["success"], True)
        self.assertEqual(answer.json["errors"], [])
        meta = answer.json["meta"]
        self.assertEqual(meta["request_id"], "my-request-0001")
        self.assertEqual(answer.headers["x-request-id"], "my-request-0001")
        self.assertEqual(meta["version"], "v1")
        self.assertEqual(meta["actor"]["role"], "owner")
        self.assertRegex(meta["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
        self.assertEqual(meta["page"]["limit"], 50)

    def test_request_id__a_bad_one_is_replaced(self):
        for bad in ("x" * 500, "a b", 'a"b', "<script>"):
            answer = self.client.get("workflows", headers={"X-Request-Id": bad})
            self.assertEqual(answer.status, 200)
            self.assertNotEqual(answer.headers["x-request-id"], bad)
            self.assertTrue(answer.headers["x-request-id"])

    def test_errors__by_status(self):
        unknown = str(uuid.uuid4())
        self.assert_error(self.client.get("/nowhere"), 404)
        self.assert_error(self.client.get("nowhere"), 404)
        self.assert_error(self.client.get(f"workflows/{unknown}"), 404, "workflow.not_found")
        self.assert_error(self.client.get("workflows/not-an-id"), 404, "workflow.not_found")
        wrong = self.client.call("PATCH", "workflows")
        self.assert_error(wrong, 405)
        self.assertEqual(set(re.split(r",\s*", wrong.headers["allow"])) - {"OPTIONS", "HEAD"}, {"GET", "POST"})
        self.assert_error(self.client.post("workflows", b"{}", headers={"Content-Type": "text/plain"}), 415)
        self.assert_error(self.client.post("workflows", b"{"), 400, "json.syntax")
        self.assert_error(self.client.post("workflows", {"definition": {}, "actve": True}), 400, "request.field_unknown")
        self.assert_error(self.client.post("workflows", {"definition": {}}), 422)
        self.assert_error(self.client.get("workflows?colour=red"), 400, "http.query_unknown")
        self.assert_error(self.client.get("workflows?limit=0"), 400)
        self.assert_error(self.client.get("workflows?cursor=zzz"), 400, "request.cursor_invalid")

    def test_errors__without_and_with_a_bad_key(self):
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"},
                        {"Authorization": "Bearer " + self.world.owner[:-1] + "x"}):
            answer = self.client.raw("GET", "/api/v1/workflows", None, headers)
            self.assert_error(answer, 401)
            self.assertIn("www-authenticate", answer.headers)
        # never from the query, even a good one
        self.assertIn(self.client.raw("GET", f"/api/v1/workflows?api_key={self.world.owner}").status, (400, 401))

    def test_body__too_large_is_refused_before_it_is_read(self):
        wf = self.workflow(SET)
        with socket.create_connection(("127.0.0.1", self.host.port), 60) as s:
            s.sendall(f"POST {wf.hook} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n".encode())
            self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 413"))
        self.assert_error(wf.post(b'"' + b"x" * 70000 + b'"'), 413, "http.body_too_large")
        self.assertEqual(wf.post({"fine": 1}).status, 202)

    def test_idempotency__of_hooks(self):
        wf = self.workflow(SET)
        key = {"Idempotency-Key": "order-77"}
        first = wf.post({"n": 1}, headers=key)
        again = wf.post({"n": 1}, headers=key)
        self.assertEqual((first.status, again.status), (202, 202))
        self.assertEqual(first.data["execution_id"], again.data["execution_id"])
        self.assertIs(again.data["duplicate"], True)
        self.assert_error(wf.post({"n": 2}, headers=key), 409, "idempotency.conflict")
        # the same key at another hook is another request
        self.assertNotEqual(self.workflow(SET).post({"n": 1}, headers=key).data["execution_id"], first.data["execution_id"])
        self.assert_error(wf.post({}, headers={"Idempotency-Key": "x" * 256}), 400, "idempotency.key_invalid")

    def test_idempotency__of_hooks_at_the_same_time(self):
        wf = self.workflow(SET)
        key = {"Idempotency-Key": "race"}
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: wf.post({"n": 1}, headers=key, client=self.host.client()), range(24)))
        self.assertEqual({a.status for a in answers}, {202})
        self.assertEqual(len({a.data["execution_id"] for a in answers}), 1)
        self.assertEqual(sum(not a.data["duplicate"] for a in answers), 1)

    def test_idempotency__of_posts(self):
        body = {"definition": definition(SET), "active": True}
        key = {"Idempotency-Key": "make-1"}
        first = self.client.post("workflows", body, headers=key)
        again = self.client.post("workflows", body, headers=key)
        self.assertEqual((first.status, again.status), (201, 201), again)
        self.assertEqual(first.data["id"], again.data["id"])
        self.assertEqual(again.headers.get("idempotency-replayed"), "true")
        self.assert_error(self.client.post("workflows", {**body, "active": False}, headers=key), 409, "idempotency.conflict")
        made = self.client.post("api-keys", {"name": "once", "role": "viewer"}, headers={"Idempotency-Key": "k-1"})
        again = self.client.post("api-keys", {"name": "once", "role": "viewer"}, headers={"Idempotency-Key": "k-1"})
        self.assertTrue(made.data["key"])
        self.assertIsNone(again.data["key"])  # shown once

    def test_etag__guards_changes(self):
        wf = self.workflow(SET)
        shown = self.client.get(f"workflows/{wf.id}")
        tag = shown.headers["etag"]
        body = {"definition": definition(SET, name="second")}
        saved = self.client.put(f"workflows/{wf.id}", body, headers={"If-Match": tag})
        self.assertEqual(saved.status, 200, saved)
        self.assertNotEqual(saved.headers["etag"], tag)
        self.assert_error(self.client.put(f"workflows/{wf.id}", body, headers={"If-Match": tag}), 412, "workflow.changed")
        self.assert_error(self.client.put(f"workflows/{wf.id}/toggle", {"active": False}, headers={"If-Match": tag}), 412)
        self.assert_error(self.client.delete(f"workflows/{wf.id}", headers={"If-Match": tag}), 412)
        self.assertEqual(self.client.delete(f"workflows/{wf.id}", headers={"If-Match": saved.headers["etag"]}).status, 204)
        self.assert_error(self.client.get(f"workflows/{wf.id}"), 404, "workflow.not_found")
        self.assert_error(wf.post({}), 404, "hook.not_found")

    def test_cursor__walks_every_row_once(self):
        wf = self.workflow(SET)
        ids = [wf.trigger({"n": i}) for i in range(25)]
        for execution_id in ids:
            wait_execution(self.client, execution_id)
        seen, cursor = [], ""
        for _ in range(10):
            page = self.client.get(f"executions?workflow_id={wf.id}&limit=10{cursor}")
            self.assertEqual(page.status, 200, page)
            seen += [x["id"] for x in page.data]
            if not page.json["meta"]["page"]["next"]:
                break
            cursor = "&cursor=" + page.json["meta"]["page"]["next"]
        self.assertEqual(seen, sorted(ids, reverse=True))
        # a cursor fits its own list only
        self.assert_error(self.client.get("workflows?" + cursor[1:]), 400, "request.cursor_invalid")
        failed = self.client.get(f"executions?workflow_id={wf.id}&status=failed,cancelled")
        self.assertEqual(failed.data, [])
        self.assert_error(self.client.get("executions?status=nice"), 400, "http.query_invalid")

    def test_hook__switched_off_rotated_and_unknown_look_the_same(self):
        wf = self.workflow(SET)
        self.assertEqual(self.client.put(f"workflows/{wf.id}/toggle", {"active": False}).status, 200)
        off = wf.post({})
        unknown = self.client.raw("POST", wf.hook[:-1] + ("A" if wf.hook[-1] != "A" else "B"), b"{}")
        strange = self.client.raw("POST", "/hooks/x", b"{}")
        for answer in (off, unknown, strange):
            self.assert_error(answer, 404, "hook.not_found")
            self.assertEqual(answer.json["message"], off.json["message"])
        self.assertEqual(self.client.put(f"workflows/{wf.id}/toggle", {"active": True}).status, 200)
        self.assertEqual(wf.post({}).status, 202)
        rotated = self.client.post(f"workflows/{wf.id}/hook/rotate")
        self.assertEqual(rotated.status, 200, rotated)
        new = harness.urllib.parse.urlsplit(rotated.data["hook_url"]).path
        self.assert_error(wf.post({}), 404, "hook.not_found")
        self.assertEqual(self.client.raw("POST", new, b"{}").status, 202)

    def test_openapi__every_route_of_the_document_answers(self):
        doc = self.client.get("openapi.json").json
        self.assertTrue(doc["openapi"].startswith("3.1"))
        for path, methods in doc["paths"].items():
            for method in methods:
                if method not in ("get", "post", "put", "patch", "delete"):
                    continue
                url = re.sub(r"\{n\}", "1", re.sub(r"\{[a-z]+\}", str(uuid.uuid4()), path))
                answer = self.client.call(method.upper(), url)
                self.assertIn(str(answer.status), methods[method]["responses"], f"{method} {path}: {answer}")
                self.assertNotIn(answer.status, (405, 500), f"{method} {path}: {answer}")
                if answer.status == 404:
                    self.assertNotEqual(answer.code, "http.not_found", f"{method} {path}")


class BadInput(harness.HostCase):
    def bad_json(self):
        return {
            "depth of arrays": b"[" * 100000,
            "depth of objects": b'{"a":' * 100000,
            "depth 65": b"[" * 65 + b"]" * 65,
            "duplicate keys": b'{"a":1,"a":2}',
            "NaN": b'{"a":NaN}', "Infinity": b'{"a":Infinity}', "leading zero": b'{"a":01}', "plus": b'{"a":+1}',
            "bare point": b'{"a":.5}', "open point": b'{"a":1.}', "comment": b'{"a":1}//x', "comma": b'{"a":1,}',
            "BOM": b'\xef\xbb\xbf{"a":1}', "single quotes": b"{'a':1}", "two values": b"{} {}", "cut": b'{"a":',
            "bad UTF-8": b'{"a":"\xff\xfe"}', "overlong": b'{"a":"\xc0\xaf"}', "surrogate": b'{"a":"\xed\xa0\x80"}',
            "lone surrogate escape": b'{"a":"\\ud800"}', "control": b'{"a":"\x01"}', "bad escape": b'{"a":"\\x"}',
        }

    def test_json__wrong_in_every_way_is_a_clean_400(self):
        wf = self.workflow(SET)
        for name, body in self.bad_json().items():
            with self.subTest(name):
                for answer in (wf.post(body), self.client.post("workflows", body)):
                    self.assert_error(answer, 400)
                    self.assertTrue(answer.code.startswith("json."), answer)
        self.assertEqual(wf.run({})["status"], "succeeded")

    def test_json__numbers_are_exact_or_refused(self):
        wf = self.workflow([{"id": "a", "type": "set", "with": {"n": "{{ trigger.body.n }}"}}])
        for text in ("9007199254740993", "-9223372036854775808", "123456789012345678901234567890", "0.1", "-0", "1e5"):
            answer = wf.post(b'{"n":' + text.encode() + b"}")
            self.assertEqual(answer.status, 202, answer)
            raw = self.client.get(f"executions/{wait_execution(self.client, answer.data['execution_id'])['id']}").body
            numbers = re.findall(rb'"n":\s*([-+0-9.eE]+)', raw)
            self.assertGreaterEqual(len(numbers), 2, raw)
            for n in numbers:
                self.assertEqual(json.loads(n, parse_float=str, parse_int=str) if text not in ("1e5", "-0") else float(n),
                                 text if text not in ("1e5", "-0") else float(text))
        for text in (b"1e400", b"1E+999999999", b"1" * 40000):
            answer = wf.post(b'{"n":' + text + b"}")
            if answer.status == 202:  # taken as text then: it must come out as it went in
                x = self.client.get(f"executions/{wait_execution(self.client, answer.data['execution_id'])['id']}")
                self.assertIn(b'"n":' + text, x.body)
            else:
                self.assert_error(answer, 400)

    def test_definition__every_fault_has_its_pointer(self):
        good = definition(SET)
        cases = [
            ({**good, "patchbay": 2}, "/definition/patchbay"),
            ({**good, "name": ""}, "/definition/name"),
            ({**good, "colour": 1}, "/definition/colour"),
            ({**good, "trigger": {"type": "carrier-pigeon"}}, "/definition/trigger/type"),
            ({**good, "trigger": webhook(methods=["BREW"])}, "/definition/trigger/with/methods/0"),
            ({**good, "steps": [{"id": "A B", "type": "set"}]}, "/definition/steps/0/id"),
            ({**good, "steps": SET + SET}, "/definition/steps/1/id"),
            ({**good, "steps": [{"id": "a", "type": "dance"}]}, "/definition/steps/0/type"),
            ({**good, "steps": [{"id": "a", "type": "set", "with": {"x": "{{ 1 + }}"}}]}, "/definition/steps/0/with/x"),
            ({**good, "steps": [{"id": "a", "type": "set", "with": {"x": "{{ f(1) }}"}}]}, "/definition/steps/0/with/x"),
            ({**good, "edges": [["trigger", "nowhere"]]}, "/definition/edges/0"),
            ({**good, "edges": [["trigger", "a"], ["a.sideways", "a"]]}, "/definition/edges/1"),
            ({**good, "steps": SET + [{"id": "b", "type": "set"}], "edges": [["trigger", "a"], ["a", "b"], ["b", "a"]]},
             "/definition"),
            ({**good, "steps": [http_step("a", "http://x/", colour=1)]}, "/definition/steps/0/colour"),
            ({**good, "steps": [http_step("a", "http://x/", method="BREW")]}, "/definition/steps/0/with/method"),
            ({**good, "steps": [{**http_step("a", "http://x/"), "with": {"method": "GET"}}]}, "/definition/steps/0/with"),
            ({**good, "steps": [{**http_step("a", "http://x/"), "with": {"url": "http://x/", "zap": 1}}]},
             "/definition/steps/0/with/zap"),
            ({**good, "steps": [{**http_step("a", "http://x/"), "action": "http.dance"}]}, "/definition/steps/0/action"),
            ({**good, "steps": [{**http_step("a", "http://x/"), "action": "nobody.request"}]}, "/definition/steps/0/action"),
            ({**good, "steps": [http_step("a", "http://x/", connection="nowhere")]}, "/definition/steps/0/connection"),
            ({**good, "steps": [{"id": "a", "type": "action", "action": "slack.post_message", "with": {"channel": "#x"}}]},
             "/definition/steps/0"),
            ({**good, "steps": [http_step("a", "http://x/", timeout="soon")]}, "/definition/steps/0/timeout"),
            ({**good, "steps": [http_step("a", "http://x/", retry={"max_attempts": 0})]},
             "/definition/steps/0/retry/max_attempts"),
        ]
        for bad, pointer in cases:
            with self.subTest(pointer=pointer, bad=str(bad)[-200:]):
                answer = self.client.post("workflows", {"definition": bad})
                errors = self.assert_error(answer, 422)
                self.assertTrue([e for e in errors if e["field"] and e["field"].startswith(pointer)],
                                f"{pointer} not in {[(e['code'], e['field']) for e in errors]}")

    def test_definition__all_faults_at_once(self):
        steps = [{"id": f"s{i}", "type": "set", "with": {"x": "{{ 1 + }}"}} for i in range(20)]
        errors = self.assert_error(self.client.post("workflows", {"definition": definition(steps)}), 422)
        self.assertEqual(len({e["field"] for e in errors}), 20, errors)

    def test_definition__as_large_as_allowed_and_larger(self):
        steps = [{"id": f"s{i}", "type": "set", "with": {"x": i}} for i in range(256)]
        wf = self.workflow(steps)
        x = wf.run({}, timeout=60)
        self.assertEqual(x["status"], "succeeded")
        self.assertEqual(len(x["steps"]), 256)
        steps.append({"id": "more", "type": "set"})
        self.assert_error(self.client.post("workflows", {"definition": definition(steps)}), 422)

    def test_expression__bombs_end_the_step_not_the_host(self):
        for text in ('{{ "a".repeat(1000000000) }}', "{{ range(0, 1000000000).map(x => x) }}",
                     '{{ trigger.body.list.map(a => trigger.body.list.map(b => trigger.body.list.map(c => 1))) }}',
                     '{{ matches("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "^(a+)+$") }}'):
            made = self.client.post("workflows", {"definition": definition([{"id": "a", "type": "set", "with": {"x": text}}]),
                                                  "active": True})
            if made.status == 422:  # no such function: refused while saving is as good
                continue
            self.assertEqual(made.status, 201, made)
            hook = harness.urllib.parse.urlsplit(made.data["hook_url"]).path
            answer = self.client.raw("POST", hook, json.dumps({"list": list(range(300))}).encode(),
                                     {"Content-Type": "application/json"})
            x = wait_execution(self.client, answer.data["execution_id"])
            self.assertIn(x["status"], ("failed", "succeeded"), text)
            self.assertLess(x["duration_ms"], 30000 * harness.PATIENCE, text)
        self.assertTrue(self.host.alive())

    def test_http__framing_attacks_are_refused(self):
        wf = self.workflow(SET)
        head = f"POST {wf.hook} HTTP/1.1\r\nHost: x\r\n"
        cases = {
            "length and chunked": head + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
            "two lengths": head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            "length 2abc": head + "Content-Length: 2abc\r\n\r\n{}",
            "length +2": head + "Content-Length: +2\r\n\r\n{}",
            "huge length": head + "Content-Length: 99999999999999999999\r\n\r\n",
            "bare LF": head.replace("\r\n", "\n") + "Content-Length: 2\n\n{}",
            "folded header": head + "X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
            "no host": f"POST {wf.hook} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}",
            "two hosts": head + "Host: y\r\nContent-Length: 2\r\n\r\n{}",
            "absolute form": "GET http://127.0.0.1:5432/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "connect": "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
            "trace": "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
            "unknown method": "FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
            "version": "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
            "traversal": "GET /hooks/..%2f..%2fapi/v1/workflows HTTP/1.1\r\nHost: x\r\n\r\n",
            "double dot": "GET /hooks/../metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            "long path": "GET /" + "a" * 20000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
            "long header": head + "X-A: " + "a" * 20000 + "\r\n\r\n",
            "slashes": "GET " + "/" * 5000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
        }
        before = self.count(wf)
        for name, text in cases.items():
            with self.subTest(name):
                answer = self.send_raw(text.encode())
                self.assertRegex(answer, rb"^HTTP/1\.[01] (400|401|404|405|411|413|414|431|501|505) ", name)
        self.assertEqual(self.count(wf), before)
        self.assertEqual(wf.run({})["status"], "succeeded")

    def count(self, wf):
        return len(self.client.get(f"executions?workflow_id={wf.id}&limit=200").data)

    def send_raw(self, data):
        with socket.create_connection(("127.0.0.1", self.host.port), 60 * harness.PATIENCE) as s:
            try:
                s.sendall(data)
                return s.recv(65536)
            except ConnectionError as e:
                return repr(e).encode()


if __name__ == "__main__":
    harness.main()
