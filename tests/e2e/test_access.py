# SPDX-License-Identifier: Apache-2.0
"""
Who sees what: tenants apart on every route that names an id, and every route against every role. The routes come from
the served OpenAPI document and the rights from core/tenant/PERMISSIONS.md, so that a new route is tested by itself.
"""
import re
import unittest
import uuid

import harness
from harness import definition, http_step, wait_execution

SET = [{"id": "a", "type": "set", "with": {"x": 1}}]
METHODS = ("get", "post", "put", "patch", "delete")
ROLES = ("viewer", "operator", "editor", "admin", "owner", "super_admin")


def published_matrix():
    """permission -> the roles that have it"""
    matrix = {}
    for line in (harness.ROOT / "core" / "tenant" / "PERMISSIONS.md").read_text().splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) == 2 + len(ROLES) and cells[0].startswith("`"):
            matrix[cells[0].strip("`")] = {r for r, c in zip(ROLES, cells[2:]) if c == "yes"}
    return matrix


class Access(harness.HostCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.doc = cls.client.get("openapi.json").json
        cls.other = cls.host.client(cls.world.second_tenant(cls.client))
        assert cls.other.get("workflows").status == 200

    def routes(self):
        for path, methods in self.doc["paths"].items():
            for method in methods:
                if method in METHODS:
                    yield method.upper(), path, methods[method]

    def things(self, client):
        """One of each thing with an id, belonging to @client's tenant: {pattern of a path: values}"""
        wf = harness.Workflow(client, SET)
        waiting = harness.Workflow(client, [http_step("pay", self.sink.url + "/pay?body=reset")]).run(
            {}, until=lambda x: x["wait_reason"] == "decision")
        connection = client.post("connections", {"name": "c " + uuid.uuid4().hex[:8], "connector": "http", "credential": "header",
                                                 "values": {"host": "127.0.0.1", "value": "s3cret"}})
        self.assertEqual(connection.status, 201, connection)
        key = client.post("api-keys", {"name": "k " + uuid.uuid4().hex[:8], "role": "viewer"})
        return {"workflows": wf.id, "executions": waiting["id"], "connections": connection.data["id"],
                "api-keys": key.data["id"]}

    BODIES = {
        ("PUT", "/workflows/{id}"): lambda: {"definition": definition(SET)},
        ("PUT", "/workflows/{id}/toggle"): lambda: {"active": False},
        ("POST", "/executions/{id}/steps/{step}/decision"): lambda: {"decision": "fail"},
        ("PUT", "/connections/{id}"): lambda: {"name": "stolen"},
        ("POST", "/workflows/{id}/run"): lambda: {"data": 1},
    }

    def body(self, method, path):
        make = self.BODIES.get((method, path.removeprefix("/api/v1")))
        return make() if make else ({} if method in ("POST", "PUT") else None)

    def test_tenants__another_ones_ids_are_absent_on_every_route(self):
        ours = self.things(self.client)
        tried = 0
        for method, path, _ in self.routes():
            group = path.removeprefix("/api/v1/").split("/")[0]
            if "{id}" not in path or group not in ours:
                continue
            absent = path.replace("{id}", str(uuid.uuid4()))
            url = path.replace("{id}", ours[group])
            for text in ("{n}", "{step}"):
                url, absent = url.replace(text, {"{n}": "1", "{step}": "pay"}[text]), absent.replace(
                    text, {"{n}": "1", "{step}": "pay"}[text])
            theirs = self.other.call(method, url, self.body(method, path))
            nobody = self.other.call(method, absent, self.body(method, path))
            with self.subTest(f"{method} {path}"):
                self.assert_error(theirs, 404)
                self.assertEqual((theirs.status, theirs.code, theirs.json["message"].replace(ours[group], "")),
                                 (nobody.status, nobody.code, nobody.json["message"].replace(ours[group], "")))
            tried += 1
        self.assertGreaterEqual(tried, 15)
        # nothing of it has had an effect
        self.assertEqual(self.client.get(f"workflows/{ours['workflows']}").data["active"], True)
        x = self.client.get(f"executions/{ours['executions']}").data
        self.assertEqual((x["status"], x["wait_reason"]), ("waiting", "decision"))
        self.assertNotEqual(self.client.get(f"connections/{ours['connections']}").data["name"], "stolen")
        self.assertEqual(self.client.get(f"connections/{ours['connections']}").status, 200)

    def test_tenants__lists_and_filters_show_ones_own(self):
        ours, theirs = self.things(self.client), self.things(self.other)
        for group in ours:
            mine = {x["id"] for x in self.client.get(f"{group}?limit=200").data}
            other = {x["id"] for x in self.other.get(f"{group}?limit=200").data}
            self.assertIn(ours[group], mine)
            self.assertIn(theirs[group], other)
            self.assertFalse(mine & other, group)
        self.assertEqual(self.other.get(f"executions?workflow_id={ours['workflows']}").data, [])
        cursor = self.client.get("workflows?limit=1").json["meta"]["page"]["next"]
        self.assertTrue(cursor)
        self.assert_error(self.other.get("workflows?cursor=" + cursor), 400, "request.cursor_invalid")

    def test_tenants__a_workflow_cannot_use_anothers_connection(self):
        ours = self.things(self.client)
        bad = definition([http_step("a", "http://127.0.0.1/", connection=ours["connections"])])
        self.assert_error(self.other.post("workflows", {"definition": bad}), 422)

    def test_tenants__same_names_and_keys_do_not_meet(self):
        for client in (self.client, self.other):
            made = client.post("connections", {"name": "same name", "connector": "http", "credential": "header",
                                               "values": {"host": "h", "value": "v"}})
            self.assertEqual(made.status, 201, made)
        body = {"definition": definition(SET, name="same key")}
        a = self.client.post("workflows", body, headers={"Idempotency-Key": "shared"})
        b = self.other.post("workflows", body, headers={"Idempotency-Key": "shared"})
        self.assertEqual((a.status, b.status), (201, 201))
        self.assertNotEqual(a.data["id"], b.data["id"])

    def test_rows__without_a_tenant_nothing_is_visible(self):
        for role in ("api",):
            done = harness.subprocess.run([f"{harness.PG_BIN}/psql", "-X", "-q", "-A", "-t", self.world.database.urls[role]],
                                          input="SELECT count(*) FROM workflow; SELECT count(*) FROM execution_history;"
                                                "SELECT count(*) FROM connection; SELECT count(*) FROM step_run;",
                                          stdout=harness.subprocess.PIPE, text=True, check=True)
            self.assertEqual(done.stdout.split(), ["0"] * 4)

    def test_roles__every_route_against_the_published_matrix(self):
        matrix = published_matrix()
        self.assertGreaterEqual(len(matrix), 25)
        clients = {}
        for role in ROLES:
            if role == "super_admin":
                clients[role] = self.admin
                continue
            made = self.client.post("api-keys", {"name": "role " + role, "role": role})
            self.assertEqual(made.status, 201, made)
            clients[role] = self.host.client(made.data["key"])
        tried = 0
        for method, path, route in self.routes():
            permission = route.get("x-permission")
            if path.startswith("/hooks/"):
                continue
            url = re.sub(r"\{n\}", "1", re.sub(r"\{step\}", "a", path.replace("{id}", str(uuid.uuid4()))))
            self.assertTrue(permission is None or permission in matrix, f"{method} {path}: {permission}")
            for role, client in clients.items():
                answer = client.call(method, url, self.body(method, path))
                allowed = permission is None or role in matrix[permission]
                with self.subTest(f"{method} {path} as {role}"):
                    if allowed:
                        self.assertNotIn(answer.status, (401, 403, 500), answer)
                    else:
                        self.assert_error(answer, 403)
                tried += 1
            if permission:
                with self.subTest(f"{method} {path} as nobody"):
                    self.assert_error(self.client.raw(method, url, b"", {}), 401)
        self.assertGreaterEqual(tried, 150)

    def test_keys__scopes_narrow_and_nobody_rises(self):
        narrow = self.client.post("api-keys", {"name": "narrow", "role": "admin", "scopes": ["workflow.read"]})
        self.assertEqual(narrow.status, 201, narrow)
        client = self.host.client(narrow.data["key"])
        self.assertEqual(client.get("workflows").status, 200)
        self.assert_error(client.get("executions"), 403)
        self.assert_error(client.post("api-keys", {"name": "x", "role": "viewer"}), 403)
        admin = self.client.post("api-keys", {"name": "plain admin", "role": "admin"})
        client = self.host.client(admin.data["key"])
        self.assert_error(client.post("api-keys", {"name": "up", "role": "owner"}), 403, "auth.escalation")
        self.assertIn(self.client.post("api-keys", {"name": "up", "role": "super_admin"}).status, (403, 422))
        for field in ({"tenant_id": str(uuid.uuid4())}, {"id": str(uuid.uuid4())}, {"created_by": "me"}):
            self.assert_error(self.client.post("api-keys", {"name": "y", "role": "viewer", **field}), 400,
                              "request.field_unknown")

    def test_keys__revoked_and_expired_end_at_once(self):
        made = self.client.post("api-keys", {"name": "short", "role": "viewer"})
        client = self.host.client(made.data["key"])
        self.assertEqual(client.get("workflows").status, 200)
        self.assertEqual(self.client.delete(f"api-keys/{made.data['id']}").status, 204)
        harness.wait_for("the revoked key to be refused", lambda: client.get("workflows").status == 401, 10)
        self.assertIn(self.client.post("api-keys", {"name": "past", "role": "viewer",
                                                    "expires_at": "2020-01-01T00:00:00Z"}).status, (400, 422))

    def test_hook__url_is_shown_to_who_may_see_it(self):
        wf = self.workflow(SET)
        viewer = self.client.post("api-keys", {"name": "looker", "role": "viewer"}).data["key"]
        shown = self.host.client(viewer).get(f"workflows/{wf.id}")
        self.assertEqual(shown.status, 200)
        self.assertIsNone(shown.data["hook_url"])
        self.assertNotIn(wf.hook.encode(), shown.body)


if __name__ == "__main__":
    harness.main()
