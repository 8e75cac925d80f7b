# SPDX-License-Identifier: Apache-2.0
"""
Rules of the API that were broken once: what belongs to a request, limits as they are documented, obedience at once,
who may see what.
"""
import base64
import hashlib
import os
import socket
import time

import harness
from harness import http_step, webhook

SET = [{"id": "a", "type": "set", "with": {"x": 1}}]


class Rules(harness.HostCase):
    def test_idempotency__of_hooks_covers_query_and_type(self):
        wf = self.workflow(SET)
        key = {"Idempotency-Key": "pay-1"}

        def post(query="?order=1", kind="application/json"):
            return self.client.raw("POST", wf.hook + query, b"{}", {"Content-Type": kind, **key})
        first = post()
        self.assertEqual(first.status, 202, first)
        self.assertEqual(post().data["execution_id"], first.data["execution_id"])
        self.assert_error(post("?order=2"), 409, "idempotency.conflict")
        self.assert_error(post(""), 409, "idempotency.conflict")
        self.assert_error(post(kind="text/plain"), 409, "idempotency.conflict")

    def test_switch_off__is_obeyed_without_nats(self):
        wfs = [self.workflow(SET) for _ in range(3)]
        kept = self.workflow(SET)
        harness.wait_for("the hooks to be in memory", lambda: self.admin.get("status").data["hooks"] >= 4)
        self.world.servers.stop("nats")
        try:
            self.assertEqual(self.client.put(f"workflows/{wfs[0].id}/toggle", {"active": False}).status, 200)
            self.assert_error(wfs[0].post({}), 404, "hook.not_found")
            self.assertEqual(self.client.post(f"workflows/{wfs[1].id}/hook/rotate").status, 200)
            self.assert_error(wfs[1].post({}), 404, "hook.not_found")
            self.assertEqual(self.client.delete(f"workflows/{wfs[2].id}").status, 204)
            self.assert_error(wfs[2].post({}), 404, "hook.not_found")
            self.assertEqual(kept.post({}).status, 202)
        finally:
            self.world.servers.start("nats")

    def test_toggle__wants_true_or_false(self):
        wf = self.workflow(SET)
        for wrong in (None, 0, "false", {}):
            self.assert_error(self.client.put(f"workflows/{wf.id}/toggle", {"active": wrong}), 400, "request.field_type")
        self.assert_error(self.client.put(f"workflows/{wf.id}/toggle", {}), 400, "request.field_missing")
        self.assertIs(self.client.get(f"workflows/{wf.id}").data["active"], True)

    def test_keys__expiry_is_in_the_future(self):
        for past in ("1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2020-01-01T00:00:00Z"):
            answer = self.client.post("api-keys", {"name": "past", "role": "viewer", "expires_at": past})
            self.assert_error(answer, 422, "api_key.expiry")
        made = self.client.post("api-keys", {"name": "for ever", "role": "viewer", "expires_at": None})
        self.assertEqual(made.status, 201, made)

    def test_numbers__over_all_tenants_are_the_platforms(self):
        shown = self.client.get("status")
        self.assertEqual(shown.status, 200, shown)
        self.assertEqual(set(shown.data), {"version", "uptime_s", "dependencies"})
        self.assertIs(shown.data["dependencies"]["postgresql"]["up"], True)
        self.assert_error(self.client.get("/metrics"), 403, "auth.forbidden")
        self.assertLessEqual({"hooks", "engine", "writer"}, set(self.admin.get("status").data))
        self.assertIn(b"patchbay_", self.admin.get("/metrics").body)

    def test_suspended__a_tenants_hooks_stop_and_come_back(self):
        other = self.host.client(self.world.second_tenant(self.client, "paused"))
        wf = harness.Workflow(other, SET)
        self.assertEqual(wf.post({}).status, 202)
        harness.wait_for("the hook to be in memory", lambda: self.admin.get("status").data["hooks"] >= 1)
        self.world.database.execute("UPDATE tenant SET status = 'suspended' WHERE slug = 'paused'")
        harness.wait_for("the hook to stop", lambda: wf.post({}).status == 404)
        fresh = self.world.host()
        self.assert_error(wf.post({}, client=fresh.client()), 404, "hook.not_found")
        fresh.kill()
        self.world.database.execute("UPDATE tenant SET status = 'active' WHERE slug = 'paused'")
        self.assertEqual(wf.post({}).status, 202)

    def test_post__of_a_test_is_done_once(self):
        made = self.client.post("connections", {"name": "tried", "connector": "http", "credential": "header",
                                                "values": {"host": "127.0.0.1", "value": "s3cret"}})
        url = f"connections/{made.data['id']}/test"
        answers = [self.client.post(url, headers={"Idempotency-Key": "try"}) for _ in range(2)]
        self.assertEqual(len({a.status for a in answers}), 1, answers)
        if answers[0].status == 200:
            self.assertEqual(answers[0].data, answers[1].data)
            self.assertEqual(answers[1].headers.get("idempotency-replayed"), "true")
        self.assert_error(self.client.post(url, headers={"Idempotency-Key": "a b"}), 400, "idempotency.key_invalid")

    def test_rotate__asks_for_the_etag(self):
        wf = self.workflow(SET)
        url = f"workflows/{wf.id}/hook/rotate"
        tag = self.client.get(f"workflows/{wf.id}").headers["etag"]
        self.assert_error(self.client.post(url, headers={"If-Match": "7"}), 400, "http.if_match_invalid")
        rotated = self.client.post(url, headers={"If-Match": tag})
        self.assertEqual(rotated.status, 200, rotated)
        self.assert_error(self.client.post(url, headers={"If-Match": tag}), 412, "workflow.changed")
        self.assertEqual(self.client.post(url, headers={"If-Match": rotated.headers["etag"]}).status, 200)

    def test_scopes__definitions_are_for_readers(self):
        wf = self.workflow(SET)
        scopes = ["workflow.write", "workflow.toggle", "hook.write"]
        key = self.client.post("api-keys", {"name": "narrow", "role": "editor", "scopes": scopes}).data["key"]
        narrow = self.host.client(key)
        self.assert_error(narrow.get(f"workflows/{wf.id}"), 403)
        body = {"definition": harness.definition(SET)}
        for answer in (narrow.put(f"workflows/{wf.id}/toggle", {"active": True}), narrow.put(f"workflows/{wf.id}", body),
                       narrow.post(f"workflows/{wf.id}/versions/1/publish"), narrow.post(f"workflows/{wf.id}/hook/rotate"),
                       narrow.post("workflows", {"definition": harness.definition(SET)})):
            self.assertIn(answer.status, (200, 201), answer)
            self.assertNotIn("definition", answer.data)
        self.assertIn("definition", self.client.put(f"workflows/{wf.id}/toggle", {"active": True}).data)

    def test_docs__show_every_operation_and_load_nothing(self):
        page = self.client.raw("GET", "/api/docs")
        self.assertEqual(page.status, 200)
        self.assertEqual(page.headers["content-type"], "text/html; charset=utf-8")
        text = page.body.decode()
        for path, methods in self.client.get("openapi.json").json["paths"].items():
            for method in methods:
                self.assertIn(f"<code>{method.upper()}</code> <code>{path}</code>", text)
        for word in ("<script", "http://", "https://", "src=", " style="):
            self.assertNotIn(word, text)
        style = text.split("<style>")[1].split("</style>")[0].encode()
        digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
        policy = page.headers["content-security-policy"]
        self.assertIn(f"default-src 'none'; style-src 'sha256-{digest}'", policy)
        self.assertNotIn("unsafe", policy)


class Misses(harness.HostCase):
    # so few that a window's end lets none more pass for twenty seconds
    SETTINGS = {"miss_rate_per_minute": 3, "trusted_proxies": "127.0.0.0/8"}

    def test_misses__of_one_address_are_limited(self):
        wf = self.workflow(SET)
        key = self.client.post("api-keys", {"name": "gone", "role": "viewer"}).data
        harness.wait_for("the hook to be in memory", lambda: self.admin.get("status").data["hooks"] >= 1)
        # what is found costs nothing, however new: a busy address is no guesser
        for i in range(30):
            made = self.client.post("api-keys", {"name": f"fresh {i}", "role": "viewer"})
            self.assertEqual(made.status, 201, made)
            fresh = made.data["key"]
            self.assertEqual(self.client.get("workflows", token=fresh).status, 200)
        bad = {"X-Forwarded-For": "203.0.113.7"}
        for i in range(40):
            x = self.client.raw("POST", "/hooks/" + base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("="), b"{}", bad)
            if x.status == 429:
                break
            self.assert_error(x, 404, "hook.not_found")
        self.assertEqual(x.status, 429)
        self.assertGreaterEqual(i, 3)
        self.assertGreater(int(x.headers["retry-after"]), 0)
        # so are keys that are not in memory; others, and what is known, are served
        asked = self.client.raw("GET", "/api/v1/workflows", None, {**bad, "Authorization": "Bearer " + key["key"]})
        self.assert_error(asked, 429, "limits.exceeded")
        self.assertEqual(self.client.raw("POST", wf.hook, b"{}", bad).status, 202)
        self.assertEqual(self.client.get("workflows", token=key["key"]).status, 200)


class Production(harness.HostCase):
    SETTINGS = {"environment": "production", "public_url": "https://patchbay.example", "trusted_proxies": "127.0.0.1",
                "http_hosts": "*.internal.example, 10.0.0.5"}

    def test_hosts__only_ours_are_served(self):
        for ours in ("patchbay.example", "patchbay.example:443", "localhost", "127.0.0.1:8080", "a.internal.example", "10.0.0.5"):
            self.assertEqual(self.client.raw("GET", "/health", None, {"Host": ours}).status, 200, ours)
        for other in ("evil.example", "patchbay.example.evil.example", "xpatchbay.example", "10.0.0.6"):
            self.assert_error(self.client.raw("GET", "/health", None, {"Host": other}), 400, "http.host")

    def test_hsts__is_said_over_https(self):
        plain = self.client.raw("GET", "/health")
        self.assertNotIn("strict-transport-security", plain.headers)
        secure = self.client.raw("GET", "/health", None, {"X-Forwarded-Proto": "https"})
        self.assertEqual(secure.headers["strict-transport-security"], "max-age=31536000")


class Timeouts(harness.HostCase):
    SETTINGS = {"http_request_timeout": "1s", "http_keep_alive_timeout": "500ms"}

    def test_timeout__is_the_heads_too(self):
        with socket.create_connection(("127.0.0.1", self.host.port), 10) as s:
            s.settimeout(30)
            s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            begin = time.monotonic()
            while s.recv(4096):
                pass
            self.assertLess(time.monotonic() - begin, 7.5, "heads have 8 s at most, and 1 s was set")


class Large(harness.HostCase):
    """Bodies and results as large as the settings allow."""

    SETTINGS = {"max_body_bytes": "8MB", "sync_wait_max": "60s"}

    def test_body__json_up_to_the_limit_is_accepted(self):
        wf = self.workflow(SET)
        for body in (b"[" + b"1," * 250000 + b"1]", b'{"a":"' + b"x" * 6000000 + b'"}', b"[" + b"[]," * 300000 + b"[]]"):
            answer = wf.post(body)
            self.assertEqual(answer.status, 202, answer.body[:500])

    def test_result__larger_than_a_request_is_answered(self):
        wf = self.workflow([http_step("a", self.sink.url + "/get?body=huge&bytes=900000", "GET")], trigger=webhook("result"))
        answer = wf.post(b'"' + b"x" * 3600000 + b'"')
        self.assertEqual(answer.status, 200, answer.body[:800])
        self.assertEqual(len(answer.data["body"]), 900000)


if __name__ == "__main__":
    harness.main()
