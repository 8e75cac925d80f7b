# SPDX-License-Identifier: Apache-2.0
"""Wrong JSON, wrong parameters at every route of the published document, other tenants' things, roles, expressions."""
import base64
import json
import os
import re
import subprocess
import time
import urllib.parse
import uuid

import harness
from attack_raw import AttackCase, exchange, request

DOCUMENT = json.loads((harness.ROOT / "core" / "api" / "openapi.json").read_text())
SET_STEP = {"id": "a", "type": "set", "with": {"x": 1}}
# Answers of every route, described once in the document.
COMMON = ["auth.unauthorized", "auth.forbidden", "limits.exceeded"]
ROLES = ("viewer", "operator", "editor", "admin", "owner")


def operations():
    """(method, path, operation) of the document."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield method.upper(), path, operation


def resolve(schema):
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


class ApiCase(AttackCase):
    def setUp(self):
        self.pid = self.host.process.pid

    def tearDown(self):
        self.assertTrue(self.host.alive(), self.host.tail())
        self.assertEqual(self.client.get("/health").status, 200)

    @classmethod
    def things(cls, client):
        """One of each thing that has an id, of the tenant of @client."""
        made = client.post("workflows", {"definition": harness.definition([SET_STEP]), "active": True})
        assert made.status == 201, made
        workflow = made.data["id"]
        run = client.post(f"workflows/{workflow}/run", {})
        assert run.status == 202, run
        harness.wait_execution(client, run.data["execution_id"])
        connection = client.post("connections", {"name": "c " + os.urandom(3).hex(), "connector": "http",
                                                 "credential": "bearer", "values": {"host": "a.test",
                                                     "token": "t0ken"}})
        assert connection.status == 201, connection
        key = client.post("api-keys", {"name": "k " + os.urandom(4).hex(), "role": "viewer"})
        assert key.status == 201, key
        return {"workflows": workflow, "executions": run.data["execution_id"], "connections": connection.data["id"],
                "api-keys": key.data["id"], "hook": urllib.parse.urlsplit(made.data["hook_url"]).path}


def id_for(path, things):
    for name in ("workflows", "executions", "connections", "api-keys"):
        if path.startswith(f"/api/v1/{name}/"):
            return things[name]
    return "http"  # connectors have names


def address(path, things, **more):
    values = {"id": id_for(path, things), "n": "1", "step": "a", "token": things["hook"].rsplit("/", 1)[1], **more}
    return re.sub(r"\{(\w+)\}", lambda m: str(values[m[1]]), path)


class Json(ApiCase):
    """Bodies that are no JSON, or are JSON of the unpleasant kind."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.echo = harness.Workflow(cls.client, [{"id": "a", "type": "set", "with": {"b": "{{ trigger.body }}"}}],
                                    trigger=harness.webhook("result"))

    REFUSED = [
        b"[" * 100000, b'{"a":' * 100000, b"[" * 65 + b"]" * 65, b'{"a":' * 70 + b"1" + b"}" * 70,
        b"NaN", b"Infinity", b"-Infinity", b"[01]", b"[+1]", b"[.5]", b"[1.]", b"[1e]", b"[1e+]", b"[--1]", b"[0x1]",
        b"[1]//", b"/* */[1]", b"[1,]", b'{"a":1,}', b"[,1]", b"[1,,2]",
        b"\xef\xbb\xbf{}", b"{'a':1}", b"{a:1}", b'{"a"}', b'{"a":}', b'{"a" 1}', b'{"a":1 "b":2}', b"{} {}", b"{}}",
        b"[1]x", b'["\x01"]', b'["\n"]', b'["\t"]', b'["\\x41"]', b'["\\u12"]', b'["\\uD800"]', b'["\\uDC00\\uD800"]',
        b'["\\"]', b'["', b'["\xff"]', b'["\xc0\xaf"]', b'["\xed\xa0\x80"]', b'["\xf4\x90\x80\x80"]', b'["\xe2\x82"]',
        b"tru", b"TRUE", b"nulll", b"\x00", b"{}\x00", b"\xff\xfe{\x00}\x00",
        b"\x0c[]", b"[\xc2\xa0]", b"{\"a\":1,\"a\":2,\"a\":", b"[-]", b"[1 2]", b'"\xe2\x80', b"]", b"}", b":", b",",
    ]
    # text sent, text of the value as it must come back
    KEPT = [
        (b"0.1", b"0.1"), (b"9007199254740993", b"9007199254740993"), (b"[-0]", None), (b"1e300", None),
        (b'"\\u0000"', None), (b'{"__proto__":{"admin":true},"constructor":1}',
                               b'{"__proto__":{"admin":true},"constructor":1}'),
        (b"12345678901234567890.123", None), (b'"\\ud83d\\ude00"', None), (b"[" * 60 + b"]" * 60, None),
        (b"1E5", None), (b"1e400", b"1e400"), (b"-1E+999999999", b"-1E+999999999"), (b"1" + b"0" * 900000, None),
        (b"18446744073709551616", None), (b" \n\t[ ] ", b"[]"),
    ]

    def post(self, body):
        return exchange(self.host.port, request("POST", self.echo.hook, [("Content-Type", "application/json")],
                                                body)).first

    def test_json__refused_with_a_reason(self):
        for body in self.REFUSED:
            with self.subTest(body[:40]):
                r = self.post(body)
                self.assertIn(r.status, (400, 413, 422), r)
                self.assertIsNotNone(r.code, r)

    def test_json__kept_exactly_or_refused(self):
        for body, back in self.KEPT:
            with self.subTest(body[:40]):
                r = self.post(body)
                self.assertIn(r.status, (200, 400, 422), r)
                self.assertNotRegex(r.body, rb"(?i)\b(nan|inf|infinity)\b")
                if back:
                    self.assertEqual(r.status, 200, r)
                    self.assertIn(b'"data":{"b":' + back + b"}", r.body)

    def test_json__object_wanted(self):
        for path in ("workflows", "connections", "api-keys"):
            for body in (b"", b"null", b"[]", b'"x"', b"1", b"true", b"{}", b"{} {}"):
                answer = self.client.post(path, body)
                self.assertIn(answer.status, (400, 422), (path, body, answer))
                self.assert_error(answer, answer.status)

    def test_json__content_types(self):
        body = json.dumps({"name": "x", "role": "viewer"}).encode()
        for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "x",
                     "application/jsonx", "application/json; charset=utf-16"):
            answer = self.client.post("api-keys", body, headers={"Content-Type": kind})
            self.assert_error(answer, 415)
        x = exchange(self.host.port, request("POST", "/api/v1/api-keys", [("Authorization",
            "Bearer " + self.world.owner)], body))
        self.assertIn(x.first.status, (400, 415), x)


class Malformed(ApiCase):
    """Every route of the document gets what its schema does not allow."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mine = cls.things(cls.client)
        cls.nasty = (None, True, 0, -1, 1e308, 2 ** 63, "", "x", "\0", "a\0b", "'; DROP TABLE workflow; --", "%n%s%p",
                     "{{ 1 }}", "../../etc/passwd", "\ud7ff\uffff\U0010ffff", "A" * 1000000, [], [[]], [None] * 2000,
                     {},
                     {"": None}, {"a": {"b": [1]}}, {"$ref": "#"}, {"__proto__": {}})

    def clean(self, answer, operation, what, allow_success=True):
        """A documented status with the envelope; never a fault of ours."""
        documented = {int(s) for s in operation["responses"]} | {400, 404, 405, 408, 413, 414, 415, 431}
        self.assertIn(answer.status, documented, (what, answer))
        self.assertNotIn(answer.status, (500, 502, 503, 504), (what, answer))
        if not allow_success:
            self.assertGreaterEqual(answer.status, 400, (what, answer))
        if what[0] == "HEAD":
            self.assertEqual(answer.body, b"")
        elif answer.status >= 400:
            self.assert_error(answer, answer.status)
            if "x-error-codes" in operation and not answer.code.startswith(("http.", "api.", "json.")):
                self.assertIn(answer.code, operation["x-error-codes"] + COMMON, (what, answer))

    def admin_or_mine(self, path):
        return self.admin if "/admin/" in path else self.client

    def call(self, client, method, target, body):
        """The host may answer and close before a large body is sent: the honest client would stop at its EPIPE."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = [("Authorization", "Bearer " + client.token), ("Content-Type", "application/json"), ("Connection",
            "close")]
        x = exchange(self.host.port, request(method, target, head, data))
        self.assertEqual(len(x.replies), 1, (method, target, data[:40], x))
        return harness.Answer(x.first.status, list(x.first.headers.items()), x.first.body)

    def test_body__each_field_of_each_route(self):
        for method, path, operation in operations():
            if "requestBody" not in operation:
                continue
            schema = resolve(operation["requestBody"]["content"]["application/json"]["schema"])
            client, target = self.admin_or_mine(path), address(path, self.mine)
            fields = list(schema.get("properties", {}))
            base = {"definition": harness.definition([SET_STEP]), "name": "n", "role": "viewer", "connector": "http",
                    "credential": "bearer", "decision": "fail", "active": True,
                    "values": {"host": "a.test", "token": "t"}, "tenant_id": str(uuid.uuid4())}
            base = {k: v for k, v in base.items() if k in fields}
            for value in self.nasty:
                self.clean(self.call(client, method, target, json.dumps(value).encode()), operation, (method, path,
                    repr(value)[:40]))
                for field in fields:
                    self.clean(self.call(client, method, target, {**base, field: value}), operation,
                               (method, path, field, repr(value)[:40]))
            for unknown in ("tenant_id", "id", "created_at", "email_verified", "is_admin", "", "\0", "__proto__"):
                if unknown not in fields:
                    answer = client.call(method, target, {**base, unknown: "1"})
                    self.clean(answer, operation, (method, path, "unknown " + unknown), allow_success=False)

    def test_body__deep_and_broken(self):
        for method, path, operation in operations():
            if method not in ("POST", "PUT", "DELETE") or path.startswith("/hooks"):
                continue
            client, target = self.admin_or_mine(path), address(path, {**self.mine, "api-keys": str(uuid.uuid4()),
                                                                      "workflows": str(uuid.uuid4()),
                                                                      "connections": str(uuid.uuid4())})
            for body in (b"[" * 100000, b'{"definition":' * 5000, b"\xff", b"\x00", b'{"name":"\xc0\xaf"}', b"{" * 3,
                         b" " * 1000000):
                self.clean(self.call(client, method, target, body), operation, (method, path, body[:20]),
                           allow_success=False)

    def test_path__parameters(self):
        for method, path, operation in operations():
            names = re.findall(r"\{(\w+)\}", path)
            if not names:
                continue
            client = self.admin_or_mine(path)
            for bad in ("..", "%2e%2e", "%00", "%2f", "..%2f..%2fetc", "0", "-1", "99999999999999999999", "1e3", "'",
                        "%27%20OR%201=1--",
                        "a" * 3000, "%ff", "%c0%ae", "{id}", "%7Bid%7D", "null", "undefined", str(uuid.uuid4()),
                        "%0d%0aX:%20y",
                        self.mine["workflows"].upper(), "{" + self.mine["workflows"] + "}",
                        self.mine["workflows"].replace("-", "")):
                for name in names:
                    target = address(path, self.mine, **{name: bad})
                    answer = client.call(method, target, {} if method in ("POST", "PUT") else None)
                    self.clean(answer, operation, (method, target))
                    self.assertNotIn("x", answer.headers)
        self.mine.update(self.things(self.client))

    def test_query__parameters(self):
        values = ("", "a", "-1", "0", "99999999999999999999", "%00", "%ff", "1e3", "' OR 1=1", "%25%5F", "A" * 3000,
                  "[]", "true&{n}=false",
                  "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "2026-02-30T00:00:00Z", "-infinity", "%7B%7D",
                  str(uuid.uuid4()))
        for method, path, operation in operations():
            if method != "GET" or path.startswith("/hooks"):
                continue
            names = [p["name"] if "name" in p else p["$ref"].rsplit("/",
                                                                    1)[1].lower() for p in operation.get("parameters",
                                                                        [])]
            target = address(path, self.mine)
            for name in [n for n in names if n not in ("id", "n", "step")] + ["nonsense", "limit", "cursor"]:
                for value in values:
                    query = f"{target}?{name}={value.format(n=name) if '{n}' in value else value}".replace(" ", "%20")
                    self.clean(self.client.get(query), operation, query[:120])

    def test_cursor__of_another_list_tenant_or_hand(self):
        other = self.host.client(self.world.second_tenant(self.client, "cursors"))
        for client in (self.client, other):
            for _ in range(3):
                client.post("workflows", {"definition": harness.definition([SET_STEP])})
        page = self.client.get("workflows?limit=1").json["meta"]["page"]["next"]
        self.assertTrue(page)
        self.assertEqual(self.client.get("workflows?limit=1&cursor=" + page).status, 200)
        self.assert_error(other.get("workflows?limit=1&cursor=" + page), 400)
        self.assert_error(self.client.get("executions?limit=1&cursor=" + page), 400)
        for i in range(0, len(page), 5):
            self.assert_error(self.client.get("workflows?cursor=" + page[:i] + ("A" if page[i] != "A" else "B") + page[i + 1:]), 400)
        for text in (page[:-1], page + "A", "A" * 5000, base64.urlsafe_b64encode(b'{"id":1}').decode(), "%00"):
            self.assert_error(self.client.get("workflows?cursor=" + text), 400)

    def test_headers__idempotency_key_and_if_match(self):
        body = {"name": "idem", "role": "viewer"}
        for key in ("", "a" * 256, "a" * 8000, "\x7f", "é", "a b\tc"):
            x = exchange(self.host.port, request("POST", "/api/v1/api-keys", [
                ("Authorization", "Bearer " + self.world.owner), ("Content-Type", "application/json"),
                ("Idempotency-Key", key)],
                json.dumps(body).encode())).first
            self.assertIn(x.status, (400, 201), (key[:10], x))
        x = exchange(self.host.port, request("POST", "/api/v1/api-keys", [
            ("Authorization", "Bearer " + self.world.owner), ("Content-Type", "application/json"), ("Idempotency-Key",
                "a"),
            ("Idempotency-Key", "b")], json.dumps(body).encode())).first
        self.assertEqual(x.status, 400, x)
        for tag in ("", "*, *", '"', 'W/"1"', '"' + "9" * 5000 + '"', "1", '"1", "2"', "\x80"):
            x = exchange(self.host.port, request("PUT", f"/api/v1/workflows/{self.mine['workflows']}/toggle", [
                ("Authorization", "Bearer " + self.world.owner), ("Content-Type", "application/json"), ("If-Match",
                    tag)],
                b'{"active":true}')).first
            self.assertIn(x.status, (200, 400, 412, 431), (tag[:10], x))


class Tenants(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.host.client(cls.world.second_tenant(cls.client, "tenantb"))
        cls.mine, cls.theirs = cls.things(cls.client), cls.things(cls.other)

    BODIES = {"definition": harness.definition([SET_STEP]), "active": False, "decision": "fail"}

    def body_of(self, operation):
        if "requestBody" not in operation:
            return None
        schema = resolve(operation["requestBody"]["content"]["application/json"]["schema"])
        return {k: self.BODIES[k] for k in schema.get("required", []) if k in self.BODIES}

    def snapshot(self):
        """Everything of the other tenant."""
        tables = self.world.database.rows("""SELECT table_name AS t FROM information_schema.columns WHERE column_name = 'tenant_id'
            AND table_schema NOT IN ('pg_catalog', 'information_schema') AND table_name IN
            (SELECT tablename FROM pg_tables) GROUP BY 1 ORDER BY 1""")
        self.assertGreater(len(tables), 5)
        seen = {}
        for row in tables:
            seen[row["t"]] = sorted(map(repr, self.world.database.rows(
                f"SELECT md5((to_jsonb(x) - 'last_used_at')::text) AS h FROM {row['t']} x "
                "WHERE tenant_id = (SELECT id FROM tenant WHERE slug = 'tenantb')")))
        return seen

    def test_tenant__every_route_with_their_id_says_not_found(self):
        absent = {k: str(uuid.uuid4()) for k in self.theirs}
        absent["hook"] = self.theirs["hook"]
        before = self.snapshot()
        count = 0
        for method, path, operation in operations():
            if "{id}" not in path or "/admin/" in path or "/connectors/" in path:
                continue
            count += 1
            body = self.body_of(operation)
            got = self.client.call(method, address(path, self.theirs), body)
            none = self.client.call(method, address(path, absent), body)
            self.assertEqual(got.status, 404, (method, path, got))
            self.assertEqual((none.status, got.code, got.json["message"]), (404, none.code, none.json["message"]),
                             (method, path))
        self.assertGreater(count, 14)
        self.assertEqual(self.snapshot(), before)

    def test_tenant__lists_and_filters_show_only_ones_own(self):
        theirs = [v for k, v in self.theirs.items()]
        for path in ("workflows", "executions", "connections", "api-keys",
                     f"executions?workflow_id={self.theirs['workflows']}",
                     f"workflows?q={self.theirs['workflows']}", "workflows?q=%25", "workflows?q=_",
                     "connections?connector=http"):
            answer = self.client.get(path)
            self.assertIn(answer.status, (200, 404), (path, answer))
            for text in theirs:
                self.assertNotIn(text.encode(), answer.body, path)

    def test_tenant__a_workflow_cannot_use_their_connection(self):
        step = harness.http_step("call", self.sink.url + "/steal", connection=self.theirs["connections"])
        made = self.client.post("workflows", {"definition": harness.definition([step]), "active": True})
        absent = self.client.post("workflows", {"definition": harness.definition(
            [{**step, "connection": str(uuid.uuid4())}]), "active": True})
        self.assertEqual(made.status, absent.status, made)
        self.assertEqual(made.code, absent.code)
        if made.status == 201:
            x = harness.wait_execution(self.client, self.client.post(f"workflows/{made.data['id']}/run",
                                                                     {}).data["execution_id"])
            self.assertEqual(x["status"], "failed", x)
        self.assertEqual(self.sink.requests("/steal"), [])

    def test_tenant__idempotency_keys_are_apart(self):
        body = {"name": "same", "role": "viewer"}
        a = self.client.post("api-keys", body, headers={"Idempotency-Key": "same-key"})
        b = self.other.post("api-keys", body, headers={"Idempotency-Key": "same-key"})
        self.assertEqual((a.status, b.status), (201, 201))
        self.assertNotEqual(a.data["id"], b.data["id"])

    def test_tenant__etag_is_no_way_around(self):
        mine = self.client.get(f"workflows/{self.mine['workflows']}")
        answer = self.client.get(f"workflows/{self.theirs['workflows']}",
                                 headers={"If-None-Match": mine.headers["etag"]})
        self.assert_error(answer, 404)
        self.assertNotIn("public", mine.headers.get("cache-control", "no-store"))

    def test_database__the_login_role_alone_sees_nothing(self):
        url = self.world.database.urls["api"]
        for table in ("workflow", "execution", "connection", "api_key", "tenant"):
            done = subprocess.run([f"{harness.PG_BIN}/psql", "-X", "-At", url], input=f"SELECT count(*) FROM {table}",
                                  text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            self.assertIn(done.stdout.strip(), ("0", ""), (table, done))
            if not done.stdout.strip():
                self.assertIn("permission denied", done.stderr, table)

    def test_roles__every_route_as_published(self):
        text = (harness.ROOT / "core" / "tenant" / "PERMISSIONS.md").read_text()
        rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
        head = rows[0]
        matrix = {r[0].strip("`"): {head[i]: r[i] == "yes" for i in range(2, len(head))} for r in rows[1:]}
        keys = {role: self.client.post("api-keys", {"name": role, "role": role}) for role in ROLES}
        absent = {**{k: str(uuid.uuid4()) for k in self.mine}, "hook": self.mine["hook"]}
        for method, path, operation in operations():
            permission = operation.get("x-permission")
            if permission is None:
                continue
            for role, made in keys.items():
                self.assertEqual(made.status, 201, made)
                body = self.body_of(operation)
                got = self.client.call(method, address(path, absent), body, token=made.data["key"])
                if matrix[permission][role]:
                    self.assertNotIn(got.status, (401, 403, 500), (method, path, role, got))
                else:
                    self.assert_error(got, 403)
            got = self.client.call(method, address(path, absent), self.body_of(operation), token="pb_key_" + "A" * 43)
            self.assert_error(got, 401)

    def test_roles__no_key_gives_more_than_it_has(self):
        admin = self.client.post("api-keys", {"name": "a", "role": "admin"}).data["key"]
        for role in ("owner", "super_admin"):
            self.assert_error(self.client.post("api-keys", {"name": "x", "role": role}, token=admin), 403)
        self.assert_error(self.client.post("api-keys", {"name": "x", "role": "super_admin"}), 403)
        narrow = self.client.post("api-keys", {"name": "n", "role": "admin", "scopes": ["api_key.write"]})
        if narrow.status == 201:
            wide = self.client.post("api-keys", {"name": "w", "role": "admin"}, token=narrow.data["key"])
            if wide.status == 201:
                self.assertEqual(self.client.get("workflows", token=wide.data["key"]).status, 403, "scopes widened")
            wide = self.client.post("api-keys", {"name": "w", "role": "viewer", "scopes": ["workflow.read"]},
                                    token=narrow.data["key"])
            self.assertEqual(wide.status, 403, wide)

    def test_key__revoked_is_refused_at_once(self):
        made = self.client.post("api-keys", {"name": "gone", "role": "viewer"}).data
        self.assertEqual(self.client.get("workflows", token=made["key"]).status, 200)
        self.assertEqual(self.client.delete(f"api-keys/{made['id']}").status, 204)
        self.assert_error(self.client.get("workflows", token=made["key"]), 401)

    def test_hook__unknown_disabled_and_wrong_method_are_one_answer(self):
        wf = harness.Workflow(self.client, [SET_STEP])
        token = wf.hook.rsplit("/", 1)[1]
        self.assertGreaterEqual(len(token) * 6, 128)
        self.assertEqual(wf.post({}).status, 202)
        answers = [self.client.raw("GET", wf.hook), self.client.raw("DELETE", wf.hook)]
        for other in (token[:-1] + ("A" if token[-1] != "A" else "B"), "A" * len(token), token + "A", token[:-1], "x",
                      token.swapcase()):
            answers.append(self.client.raw("POST", "/hooks/" + other, b"{}", {"Content-Type": "application/json"}))
        self.assertEqual(self.client.put(f"workflows/{wf.id}/toggle", {"active": False}).status, 200)
        harness.wait_for("the hook to be off", lambda: wf.post({}).status == 404)
        answers.append(wf.post({}))
        for a in answers:
            self.assert_error(a, 404)
            self.assertEqual((a.code, a.json["message"]), (answers[0].code, answers[0].json["message"]), a)


class Expressions(ApiCase):
    def evaluate(self, text, body=None):
        """(saved status, execution or None)"""
        made = self.client.post("workflows", {"definition": harness.definition(
            [{"id": "a", "type": "set", "with": {"v": text}}]), "active": True})
        if made.status != 201:
            self.assert_error(made, 422)
            return None
        run = self.client.post(f"workflows/{made.data['id']}/run", {"data": body or {}})
        return harness.wait_execution(self.client, run.data["execution_id"])

    def test_expression__no_way_out_of_the_language(self):
        for text in ("{{ this.constructor.constructor('return process')() }}", "{{ `x`.constructor }}",
                     "{{ ({constructor:c})=>c }}",
                     "{{ Reflect.get(trigger, 'x') }}", "{{ process.env }}", "{{ require('fs') }}", "{{ eval('1') }}",
                     "{{ globalThis }}", "{{ (() => 1)() }}", "{{ a = 1 }}", "{{ new Date() }}", "{{ while(true){} }}",
                     "{{ import('x') }}", "{{ trigger['__proto__'].x() }}", "{{ {{ 1 }} }}", "{{ 1; 2 }}",
                     "{{ function(){} }}",
                     "{{ trigger.body.map(x => x => x) }}"):
            with self.subTest(text):
                x = self.evaluate(text)
                if x is not None and x["status"] == "succeeded":
                    self.assertIn(harness.step(x, "a")["output"]["v"], (None, ""), x)

    def test_expression__nothing_of_the_host_is_visible(self):
        for text in ("{{ env.MASTER_KEY }}", "{{ env }}", "{{ trigger.__proto__ }}", "{{ trigger.constructor }}",
                     "{{ vars.constructor }}",
                     "{{ execution.__proto__ }}", "{{ steps.__proto__ }}", "{{ secrets.token }}",
                     "{{ connection.token }}"):
            x = self.evaluate(text)
            if x is not None and x["status"] == "succeeded":
                self.assertIsNone(harness.step(x, "a")["output"]["v"], (text, x))

    def test_expression__cost_is_bounded(self):
        big = "range(0, 100000)"
        for text in ('{{ repeat("a", 1000000000) }}', "{{ range(0, 1000000000) }}", f"{{{{ {big}.map(x => {big}) }}}}",
                     "{{ " + "(" * 500 + "1" + ")" * 500 + " }}", "{{ " + "-" * 5000 + "1 }}",
                     "{{ 1" + "+1" * 20000 + " }}",
                     "{{ " + "[" * 200 + "]" * 200 + " }}", "{{ pad_start('a', 100000000) }}",
                     "{{ pow(10, 1000000000) }}",
                     "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('(a+)+$') }}", "{{ 'a'.matches('(' ) }}",
                     "{{ 'x'.replace_all('', 'y') }}", "{{ round(1, 999999999) }}",
                     "{{ decimal_div(1, 3, 1000000000) }}",
                     "{{ range(0, 3000).reduce((s, x) => concat(s, s), 'ab') }}",
                     "{{ decimal_mul('" + "9" * 5000 + "','" + "9" * 5000 + "') }}",
                     "{{ trigger" + ".a" * 10000 + " }}", "{{ 'a'.truncate(-1) }}", "{{ chunk([1], 0) }}",
                     "{{ range(0, 10, 0) }}",
                     "{{ slice('abc', -9223372036854775808, 9223372036854775807) }}", "{{ -9223372036854775808 / -1 }}",
                     "{{ -9223372036854775808 % -1 }}", "{{ abs(-9223372036854775808) }}", "{{ 1 / 0 }}",
                     "{{ 1 % 0 }}", "{{ 0 / 0 }}",
                     "{{ flatten([[[[1]]]], 9223372036854775807) }}", "{{ truncate('é€😀', 2) }}",
                     "{{ repeat('a', -1) }}",
                     "{{ to_int(1e300) }}", "{{ format_number(1e300, 15) }}", "{{ url_decode('%') }}",
                     "{{ hex_decode('0') }}"):
            with self.subTest(text[:60]):
                begun = time.monotonic()
                x = self.evaluate(text)
                self.assertLess(time.monotonic() - begun, 30 * harness.PATIENCE)
                if x is not None and x["status"] == "succeeded":
                    self.assertNotIn(str(harness.step(x, "a")["output"]["v"]).lower(), ("nan", "inf", "infinity"))
                    self.assertLess(len(json.dumps(x)), 2 << 20)

    def test_expression__text_that_comes_in_is_data(self):
        x = self.evaluate("{{ trigger.body.t }}", {"t": "{{ 1 + 1 }}"})
        self.assertEqual(harness.step(x, "a")["output"]["v"], "{{ 1 + 1 }}")
        x = self.evaluate("x {{ trigger.body.t }}", {"t": "'; DROP TABLE execution; -- %n%s $1 \\"})
        self.assertEqual(harness.step(x, "a")["output"]["v"], "x '; DROP TABLE execution; -- %n%s $1 \\")
