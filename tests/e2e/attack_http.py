# SPDX-License-Identifier: Apache-2.0
"""Requests that are wrong as HTTP: framing, hosts, targets, methods, sizes, encodings, origins."""
import gzip

import harness
from attack_raw import AttackCase, exchange, request


class HttpCase(AttackCase):
    """After each test the host is alive and takes the next request."""

    # whoever waits for the rest of a body waits long, so that a refusal at once is told from one after it
    SETTINGS = {"http_connections_per_ip": 100, "http_request_timeout": "2m"}

    def setUp(self):
        self.pid = self.host.process.pid
        self.token = self.world.owner
        self.auth = ("Authorization", "Bearer " + self.token)

    def tearDown(self):
        self.assertTrue(self.host.alive(), self.host.tail())
        self.assertEqual(self.client.get("/health").status, 200)

    def send(self, data, **kw):
        return exchange(self.host.port, data, **kw)

    def refused(self, data, statuses, why=None, close=True, **kw):
        """One answer of those statuses, in the envelope, nothing behind it."""
        x = self.send(data, until_closed=close, **kw)
        what = why or data[:200]
        self.assertEqual(len(x.replies), 1, (what, x))
        self.assertIn(x.first.status, statuses, (what, x))
        self.assertIsNotNone(x.first.code, (what, x))
        self.assertIn("request_id", x.first.json["meta"], (what, x))
        if close:
            self.assertTrue(x.closed, (what, x))
        self.assertLess(x.took_s, 30, what)
        return x


class Framing(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hook = harness.Workflow(cls.client, [{"id": "a", "type": "set", "with": {"x": 1}}])

    def post(self, lines, body):
        head = [f"POST {self.hook.hook} HTTP/1.1".encode(), b"Host: 127.0.0.1", b"Content-Type: application/json"]
        return b"\r\n".join(head + list(lines)) + b"\r\n\r\n" + body

    def test_framing__ambiguous_length_is_refused(self):
        bodies = {
            "length and chunked": ([b"Content-Length: 6", b"Transfer-Encoding: chunked"], b"0\r\n\r\nG"),
            "chunked and length": ([b"Transfer-Encoding: chunked", b"Content-Length: 6"], b"0\r\n\r\nG"),
            "two lengths": ([b"Content-Length: 5", b"Content-Length: 50"], b"{} \n "),
            "two equal lengths": ([b"Content-Length: 2", b"Content-Length: 2"], b"{}"),
            "list of lengths": ([b"Content-Length: 2, 2"], b"{}"),
            "two codings": ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], b"0\r\n\r\n"),
            "coding list": ([b"Transfer-Encoding: gzip, chunked"], b"0\r\n\r\n"),
            "coding chunked, identity": ([b"Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
            "coding xchunked": ([b"Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
            "coding with tab": ([b"Transfer-Encoding:\tchunked\t,"], b"0\r\n\r\n"),
            "coding with vertical tab": ([b"Transfer-Encoding: \x0bchunked"], b"0\r\n\r\n"),
            "blank before colon": ([b"Content-Length : 2"], b"{}"),
            "blank before coding's colon": ([b"Transfer-Encoding : chunked"], b"0\r\n\r\n"),
            "name with a NUL": ([b"Content-Length\x00: 2"], b"{}"),
        }
        for why, (lines, body) in bodies.items():
            with self.subTest(why):
                self.refused(self.post(lines, body), (400, 411, 501), why)

    def test_framing__length_that_is_no_number(self):
        for value in (b"5abc", b"+5", b"5 ,5", b"0x5", b"-1", b"", b"5 5", b"05a", b"1e1", b"\xd9\xa5", b"5;", b"'5'",
                      b"99999999999999999999", b"18446744073709551618", b"9223372036854775808"):
            with self.subTest(value):
                self.refused(self.post([b"Content-Length: " + value], b"{}   "), (400, 413), value)

    def test_framing__chunks_that_are_wrong(self):
        ok = self.send(self.post([b"Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n"))
        self.assertEqual(ok.statuses, [202], ok)
        for body in (b"g\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"2\n{}\n0\n\n",
                     b"ffffffffffffffff2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}X\r\n0\r\n\r\n", b"\r\n\r\n",
                     b"2" + b";x" * 20000 + b"\r\n{}\r\n0\r\n\r\n", b"8000000000000000\r\n{}\r\n0\r\n\r\n"):
            with self.subTest(body[:40]):
                x = self.send(self.post([b"Transfer-Encoding: chunked"], body), half_close=True, until_closed=True)
                self.assertNotIn(202, x.statuses, x)
                for r in x.replies:
                    self.assertIn(r.status, (400, 413), x)
                self.assertTrue(x.closed, x)

    def test_framing__short_body_is_no_request(self):
        x = self.send(self.post([b"Content-Length: 100"], b"{}"), half_close=True, until_closed=True)
        self.assertNotIn(202, x.statuses, x)

    def test_framing__line_ends(self):
        for data in (b"GET /health HTTP/1.1\nHost: 127.0.0.1\n\n",
                     b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\nX: y\r\n\r\n",
                     b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\n\r\n",
                     b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n folded\r\n\r\n",
                     b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n X: folded\r\n\r\n",
                     b"GET /health HTTP/1.1\r\n Host: 127.0.0.1\r\n\r\n",
                     b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n",
                     b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nno colon here\r\n\r\n",
                     b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n: no name\r\n\r\n",
                     b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nBad Name: x\r\n\r\n"):
            with self.subTest(data):
                self.refused(data, (400,), data)

    def test_framing__pipelined_requests_are_authorised_one_by_one(self):
        body = b"{}"
        first = self.post([b"Content-Length: %d" % len(body)], body)
        x = self.send(first + request("GET", "/api/v1/workflows") + request("GET", "/api/v1/workflows", [self.auth]),
                      answers=3)
        self.assertEqual(x.statuses, [202, 401, 200], x)
        x = self.send(request("GET", "/api/v1/workflows", [self.auth]) + request("GET", "/api/v1/workflows"), answers=2)
        self.assertEqual(x.statuses, [200, 401], x)

    def test_framing__smuggled_in_a_body_of_get(self):
        inner = request("GET", "/api/v1/workflows")
        x = self.send(request("GET", "/health", body=inner), linger=3)
        self.assertLessEqual(len(x.replies), 1, x)
        self.assertIn(x.first.status, (200, 400, 413), x)

    def test_size__declared_too_large_is_refused_before_reading(self):
        for extra in ([], [b"Expect: 100-continue"]):
            for n in (1048577, 10 * 1024 ** 3):
                self.refused(self.post([b"Content-Length: %d" % n, *extra], b"{"), (413,))
        x = self.send(self.post([b"Content-Length: 2", b"Expect: what-is-this"], b"{}"))
        self.assertEqual(x.first.status, 417, x)

    def test_size__chunks_beyond_the_limit(self):
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        self.refused(self.post([b"Transfer-Encoding: chunked"], chunk * 17 + b"0\r\n\r\n"), (413,))

    def test_size__lines_and_headers(self):
        self.refused(request("GET", "/" + "a" * 20000), (414,))
        self.refused(request("GET", "/health?" + "q=1&" * 5000), (414, 431))
        self.refused(request("GET", "/health", [("X", "y" * 17000)]), (431,))
        self.refused(request("GET", "/health", [("Cookie", "c" * 1048576)]), (400, 431))
        self.refused(request("GET", "/health", [(f"X-{i}", "y") for i in range(65)]), (431, 400))
        self.refused(request("GET", "/health", [(f"X-{i}", "y") for i in range(5000)]), (400, 431))
        self.refused(b"A" * 100000, (400, 414, 431))

    def test_encoding__compressed_bodies_are_refused(self):
        bomb = gzip.compress(b"\0" * (10 << 20))
        for coding in ("gzip", "gzip, gzip, gzip", "zstd", "br", "deflate", "x-gzip"):
            x = self.send(self.post([b"Content-Encoding: " + coding.encode(), b"Content-Length: %d" % len(bomb)], bomb))
            self.assertEqual(x.first.status, 415, (coding, x))

    def test_multipart__is_bytes_or_refused(self):
        parts = b"".join(b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../../etc/x\"\r\n\r\nv\r\n"
                         for _ in range(10000))
        for kind, body in (("multipart/form-data; boundary=b", parts), ("multipart/form-data; boundary=" + "b" * 5000,
            b"--b"),
                           ("multipart/form-data", b"--b--"), ("application/x-www-form-urlencoded",
                                                               b"a=1&b=\x00&c=%00"),
                           ("application/x-www-form-urlencoded", b"&=" * 50000)):
            x = self.send(request("POST", self.hook.hook, [("Content-Type", kind)], body))
            self.assertIn(x.first.status, (202, 400, 413, 415), (kind[:40], x))
            self.assertLess(x.took_s, 30)


class Target(HttpCase):
    def test_host__exactly_one_and_well_formed(self):
        self.refused(request("GET", "/health", host=None), (400,))
        self.refused(request("GET", "/health", [("Host", "127.0.0.1")]), (400,))
        for host in ("a b", "evil.test/", "a@b", "[::1", "a:b", "a:99999", "a\x01", "", "a,b", "a#b", "a?b", "<x>"):
            with self.subTest(host):
                self.refused(request("GET", "/health", host=host), (400,))

    def test_host__never_becomes_a_link(self):
        made = self.send(request("POST", "/api/v1/workflows", [
            self.auth, ("Content-Type", "application/json"), ("X-Forwarded-Host", "evil.test"),
            ("X-Forwarded-Proto", "https"), ("Forwarded", "host=evil.test")],
            b'{"definition":{"patchbay":1,"name":"h","trigger":{"type":"webhook"},'
            b'"steps":[{"id":"a","type":"set","with":{"x":1}}]}}', host="evil.test"))
        self.assertIn(made.first.status, (201, 400), made)
        self.assertNotIn(b"evil.test", made.first.body)

    def test_path__decided_after_normalisation(self):
        for target in ("/hooks/..%2f..%2fapi/v1/workflows", "/hooks/../api/v1/workflows",
                       "/hooks/%2e%2e/api/v1/workflows",
                       "/hooks/%252e%252e/api/v1/workflows", "//evil.com/", "//api/v1/workflows", "/./api/v1/workflows",
                       "/api/v1\\workflows", "/api/v1/%c0%ae%c0%ae/workflows", "/api/v1/workflows/%00", "/%ff", "/%",
                       "/%zz", "/api/v1/workflows;x=1", "/api//v1/workflows", "/api/v1/workflows/", "/API/v1/workflows",
                       "/hooks/%2e%2e%2fapi%2fv1%2fworkflows", "/health/../metrics", "/;/metrics"):
            with self.subTest(target):
                x = self.send(request("GET", target))
                self.assertEqual(len(x.replies), 1, x)
                self.assertIn(x.first.status, (400, 401, 404), x)
                self.assertIsNotNone(x.first.code, x)
        self.refused(request("GET", "/" * 5000), (404, 414, 400), close=False)
        self.refused(request("GET", "/\x01"), (400,))
        self.refused(b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", (400, 505))
        self.refused(b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", (400, 404), close=False)

    def test_method__and_version(self):
        for line in (b"GET http://127.0.0.1:5432/ HTTP/1.1", b"CONNECT 127.0.0.1:5432 HTTP/1.1", b"TRACE / HTTP/1.1",
                     b"PRI * HTTP/2.0", b"FOO /health HTTP/1.1", b"GET /health HTTP/9.9", b"GET /health HTTP/1.2",
                     b"GET /health", b"get /health HTTP/1.1", b"GET\t/health\tHTTP/1.1",
                     b"GET /health http/1.1", b"* * *", b"OPTIONS * HTTP/1.1", b"PROPFIND / HTTP/1.1",
                     b"GET health HTTP/1.1"):
            with self.subTest(line):
                x = self.send(line + b"\r\nHost: 127.0.0.1\r\n\r\n")
                self.assertIn(x.first.status, (0, 204, 400, 404, 405, 501, 505), (line, x))
                self.assertLessEqual(len(x.replies), 1)
                if x.first.status == 0:
                    self.assertTrue(x.closed, x)

    def test_method__override_is_ignored(self):
        made = self.client.post("api-keys", {"name": "victim", "role": "viewer"}).data
        for headers, target in (([("X-HTTP-Method-Override", "DELETE")], ""), ([("X-Method-Override", "DELETE")], ""),
                                ([], "?_method=DELETE")):
            self.send(request("GET", f"/api/v1/api-keys/{made['id']}{target}", [self.auth, *headers]))
            self.send(request("POST", f"/api/v1/api-keys/{made['id']}{target}", [self.auth, *headers]))
        self.assertEqual(self.client.get("workflows", token=made["key"]).status, 200)

    def test_origin__is_not_echoed(self):
        for origin in ("null", "https://app.example.evil.com", "http://127.0.0.1"):
            for method in ("GET", "OPTIONS"):
                x = self.send(request(method, "/api/v1/workflows", [
                    ("Origin", origin), ("Cookie", "a=b"), ("Access-Control-Request-Method", "DELETE")]))
                self.assertNotIn("access-control-allow-origin", x.first.headers, x)
                self.assertNotIn("set-cookie", x.first.headers, x)

    def test_surface__nothing_else_is_served(self):
        for path in ("/static", "/static/", "/.git/HEAD", "/debug", "/debug/pprof", "/server-status", "/index.html",
                     "/api/v1/admin", "/hooks", "/hooks/", "/favicon.ico", "/.well-known/x", "/cgi-bin/sh"):
            x = self.send(request("GET", path))
            self.assertIn(x.first.status, (401, 404), (path, x))
        x = self.send(request("GET", "/metrics"))
        self.assertEqual(x.first.status, 401, x)
        self.assertNotIn("server", x.first.headers)


class Keys(HttpCase):
    """API keys: where they may stand."""

    def ask(self, headers, target="/api/v1/workflows"):
        return self.send(request("GET", target, headers)).first

    def test_key__only_in_one_authorization_header(self):
        t = self.token
        self.assertEqual(self.ask([self.auth]).status, 200)
        for target in (f"/api/v1/workflows?api_key={t}", f"/api/v1/workflows?access_token={t}",
                       f"/api/v1/workflows?token={t}"):
            self.assertIn(self.ask([], target).status, (400, 401))
        self.assertIn(self.ask([self.auth, self.auth]).status, (400,))
        self.assertIn(self.ask([self.auth, ("Authorization", "Bearer x")]).status, (400,))
        for value in ("", "Bearer", "Bearer ", "Bearer  " + t, "Bearer " + t + " x", "Bearer " + t + ",", "Basic " + t,
                      t,
                      "Bearer " + t[:-1], "Bearer " + t + "A", "Bearer " + t.upper(), "Bearer " + "A" * 10000,
                      "Bearer %00", "Bearer '; DROP TABLE api_key; --", "Bearer \x80\xff"):
            with self.subTest(value[:30]):
                self.assertIn(self.ask([("Authorization", value)]).status, (400, 401))
        for cookie in ("session=" + t, "Authorization=Bearer " + t, "token=" + t):
            self.assertEqual(self.ask([("Cookie", cookie)]).status, 401)
        self.assertEqual(self.ask([("X-Api-Key", t)]).status, 200)
        for double in ([("X-Api-Key", t), ("X-Api-Key", t)], [("X-Api-Key", t), self.auth], [self.auth, ("X-Api-Key",
            "x")]):
            self.assertEqual(self.ask(double).status, 400, double)

    def test_key__every_changed_character_is_refused(self):
        t = self.token
        for i in range(0, len(t), 3):
            other = "A" if t[i] != "A" else "B"
            self.assertEqual(self.ask([("Authorization", "Bearer " + t[:i] + other + t[i + 1:])]).status, 401, i)
