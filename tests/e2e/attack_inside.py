# SPDX-License-Identifier: Apache-2.0
"""What a tenant's own workflows try: reach private places, carry secrets elsewhere, write into logs, break runners."""
import contextlib
import json
import os
import socket
import threading
import time
import urllib.parse

import harness
from attack_raw import AttackCase, exchange, request


class Canary:
    """A listener that nobody should ever reach; counts who did."""

    def __init__(self, host="127.0.0.1", port=0):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, port))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        self.hits = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                s, peer = self.socket.accept()
            except OSError:
                return
            self.hits.append(peer)
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            s.close()

    def close(self):
        self.socket.close()


class InsideCase(AttackCase):
    def tearDown(self):
        self.assertTrue(self.host.alive(), self.host.tail())
        self.assertEqual(self.client.get("/health").status, 200)

    def run_steps(self, steps, data=None):
        """Final execution, or None when the definition was refused with 422."""
        made = self.client.post("workflows", {"definition": harness.definition(steps), "active": True})
        if made.status != 201:
            self.assert_error(made, 422)
            return None
        run = self.client.post(f"workflows/{made.data['id']}/run", {"data": data or {}})
        self.assertEqual(run.status, 202, run)
        return harness.wait_execution(self.client, run.data["execution_id"],
                                      ("waiting", *harness.FINAL))

    def call(self, url, method="GET", **more):
        step = {"id": "call", "type": "action", "action": "http.request", "timeout": "20s",
                "retry": {"max_attempts": 1}, "with": {"method": method, "url": "{{ trigger.body.url }}",
                                                       **more.pop("params", {})},
                **more}
        return self.run_steps([step], {"url": url})


def closed_spellings(port):
    v4 = ("127.0.0.1", "2130706433", "0x7f000001", "0x7f.0x0.0x0.0x1", "0177.0.0.1", "017700000001", "127.1",
          "127.0.1", "0x7f.1",
          "0", "0.0.0.0", "localhost", "LOCALHOST", "x.localhost", "localhost.", "127.0.0.1.", "127.127.127.127",
          "127。0。0。1",
          "①②⑦.⓪.⓪.①", "１２７.0.0.1", "127%2e0%2e0%2e1", "%31%32%37.0.0.1", "ip6-localhost", "ip6-loopback")
    v6 = ("::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:0:0:1", "::127.0.0.1", "64:ff9b::7f00:1",
          "2002:7f00:1::",
          "2001:0:7f00:1::", "fe80::1", "fd00:ec2::254", "::1%25lo", "::ffff:0:127.0.0.1", "ff02::1", "fec0::1")
    for host in v4:
        yield f"http://{host}:{port}/"
    for host in v6:
        yield f"http://[{host}]:{port}/"
    for text in ("http:///127.0.0.1:{p}/", "http:/127.0.0.1:{p}/", "http:127.0.0.1:{p}/", "//127.0.0.1:{p}/",
                 "http://1.1.1.1@127.0.0.1:{p}/",
                 "http://127.0.0.1:{p}%2f@1.1.1.1/", "http://1.1.1.1#@127.0.0.1:{p}/",
                 "http://127.0.0.1:{p}\\@1.1.1.1/",
                 "http://1.1.1.1\\@127.0.0.1:{p}/", "http://1.1.1.1 @127.0.0.1:{p}/", "http://a:b@127.0.0.1:{p}/",
                 "http://127.0.0.1:{p}#@1.1.1.1/",
                 "\thttp://127.0.0.1:{p}/", "http://127.0.0.1\t:{p}/", "http://127.0.0.1\r\nHost: x:{p}/",
                 "HTTP://127.0.0.1:{p}/",
                 "http://[::ffff:127.0.0.1]:{p}/", "http://127.0.0.1:00{p}/", "http://127.0.0.1:{p}/\r\nX: y"):
        yield text.format(p=port)


class Egress(InsideCase):
    """The default policy: nothing private, whatever its spelling. Every port is open to make the address decide."""

    SETTINGS = {"egress_allow": "", "egress_ports": "1-65535"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.canary = Canary("0.0.0.0")
        cls.addClassCleanup(cls.canary.close)
        try:
            cls.canary6 = Canary("::1", cls.canary.port)
        except OSError:
            cls.canary6 = Canary("0.0.0.0")  # no IPv6 here
        cls.addClassCleanup(cls.canary6.close)

    def refused(self, url, **kw):
        x = self.call(url, **kw)
        if x is None:
            return
        self.assertEqual(x["status"], "failed", (url, x))
        attempts = harness.step(x, "call")["attempts"]
        self.assertEqual(len(attempts), 1, (url, x))
        self.assertNotEqual(attempts[0]["class"], "timeout", ("it was tried", url, x))
        self.assertEqual((self.canary.hits, self.canary6.hits), ([], []), url)

    def test_address__no_spelling_of_loopback(self):
        for url in closed_spellings(self.canary.port):
            with self.subTest(url):
                self.refused(url)

    def test_address__no_private_network(self):
        for host in ("10.0.0.1", "100.64.0.1", "169.254.169.254", "169.254.43518", "172.16.0.1", "172.31.255.255",
                     "192.0.0.1",
                     "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "100.100.100.200",
                     "0.1.2.3",
                     "metadata.google.internal"):
            with self.subTest(host):
                self.refused(f"http://{host}:{self.canary.port}/latest/meta-data/")

    def test_address__not_the_machines_own(self):
        own = set()
        for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET):
            own.add(info[4][0])
        for ip in own:
            self.refused(f"http://{ip}:{self.canary.port}/")
        self.refused(f"http://127.0.0.1:{self.host.port}/health")

    def test_scheme__only_http(self):
        for url in ("file:///etc/passwd", "gopher://127.0.0.1:{p}/_x", "dict://127.0.0.1:{p}/", "ftp://127.0.0.1:{p}/",
                    "ldap://127.0.0.1:{p}/",
                    "smb://127.0.0.1:{p}/", "telnet://127.0.0.1:{p}/", "scp://127.0.0.1:{p}/", "tftp://127.0.0.1:{p}/",
                    "rtmp://127.0.0.1:{p}/",
                    "mqtt://127.0.0.1:{p}/", "imap://127.0.0.1:{p}/", "smtp://127.0.0.1:{p}/", "javascript:1",
                    "data:,x", "unix:///tmp/x",
                    "http+unix://%2ftmp%2fx/", "jar:http://127.0.0.1:{p}/!", "ws://127.0.0.1:{p}/", "", " ", "x",
                    "http://", "https://"):
            with self.subTest(url):
                self.refused(url.format(p=self.canary.port))


class Carried(InsideCase):
    """Loopback is allowed here, one port more is a foreign host: what goes where."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = harness.Sink(cls.world)
        cls.addClassCleanup(cls.other.stop)
        cls.secret = "canary-" + os.urandom(12).hex()
        made = cls.client.post("connections", {"name": "c", "connector": "http", "credential": "bearer",
                                               "values": {"host": "127.0.0.1", "token": cls.secret}})
        assert made.status == 201, made
        cls.connection = made.data["id"]

    def names(self, sink, path):
        return [{k.lower(): v for k, v in r["headers"].items()} for r in sink.requests(path)]

    def test_redirect__not_to_private_ports_or_schemes(self):
        closed = Canary()
        self.addCleanup(closed.close)
        for to in ("file:///etc/passwd", "gopher://127.0.0.1/", "http://169.254.169.254/", "http://[::1]:80/",
                   "http://10.0.0.1/",
                   "http://127.0.0.1:22/", "http://127.0.0.1:5432/", "//169.254.169.254/", "http://2852039166/"):
            with self.subTest(to):
                x = self.call(f"{self.sink.url}/r?redirect={urllib.parse.quote(to, safe='')}",
                              params={"follow_redirects": True})
                self.assertEqual(x["status"], "failed", (to, x))
        x = self.call(f"{self.sink.url}/loop?redirect={urllib.parse.quote(self.sink.url + '/loop2', safe='')}")
        self.assertEqual(harness.step(x, "call")["attempts"][0].get("http_status", 302) // 100, 3)
        self.assertEqual(self.names(self.sink, "/loop2"), [], "redirects are off unless asked for")

    def test_redirect__credentials_stay_with_their_host(self):
        port = self.other.port
        for host in ("localhost", "127.0.0.2"):
            to = urllib.parse.quote(f"http://{host}:{port}/moved", safe="")
            self.call(f"{self.sink.url}/x?redirect={to}", params={"follow_redirects": True,
                                                                  "headers": {"Cookie": "mine=1"}},
                      connection=self.connection)
        for headers in self.names(self.other, "/moved"):
            self.assertNotIn("authorization", headers)
            self.assertNotIn("cookie", headers)
        self.assertNotIn(self.secret, json.dumps(self.other.requests()))
        self.assertTrue(any(self.secret in h.get("authorization", "") for h in self.names(self.sink, "/x")))

    def test_credential__only_for_its_host(self):
        for url in (f"http://localhost:{self.other.port}/wrong", f"http://127.0.0.2:{self.other.port}/wrong",
                    f"http://127.0.0.1@localhost:{self.other.port}/wrong",
                    f"http://127.0.0.1.localhost:{self.other.port}/wrong"):
            self.call(url, connection=self.connection)
        self.assertNotIn(self.secret, json.dumps(self.other.requests()))

    def test_header__no_lines_no_framing_from_parameters(self):
        for headers in ({"X": "a\r\nInjected: 1"}, {"X\r\nInjected": "1"}, {"X:Injected": "1"}, {"": "1"},
                        {"Host": "evil.test"},
                        {"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}, {"Connection": "upgrade"},
                        {"X": "a\0b"},
                        {"Authorization": "Bearer mine"}, {"Proxy-Authorization": "x"}, {"Expect": "100-continue"}):
            with self.subTest(str(headers)):
                self.call(self.sink.url + "/head", params={"headers": headers}, method="POST")
        for h in self.names(self.sink, "/head"):
            self.assertNotIn("injected", h)
            self.assertNotIn("transfer-encoding", h)
            self.assertTrue(h["host"].startswith("127.0.0.1:"), h)

    def test_upstream__that_misbehaves_is_bounded(self):
        for query in ("body=huge&bytes=67108864", "body=endless", "body=headers&count=10000",
                      "body=gzip_bomb&bytes=67108864", "body=noise",
                      "body=garbage", "body=cut", "body=close", "body=hang", "body=slow&bytes=1000&interval_ms=100"):
            with self.subTest(query):
                x = self.call(f"{self.sink.url}/bad?{query}", params={"timeout_s": 3})
                if query.split("&")[0] not in ("body=garbage",):
                    self.assertEqual(x["status"], "failed", (query, x))


class Secrets(InsideCase):
    """A value that must be found nowhere but at its upstream; lines that must stay one line."""

    SETTINGS = {"log_level": "debug"}

    def memory_maps_text(self, pid, name):
        with open(f"/proc/{pid}/{name}", "rb") as f:
            return f.read()

    def test_secret__is_nowhere(self):
        canary = "sekrit" + os.urandom(16).hex()
        made = self.client.post("connections", {"name": "s", "connector": "http", "credential": "bearer",
                                                "values": {"host": "127.0.0.1", "token": canary}},
                                                headers={"Idempotency-Key": "s1"})
        self.assertEqual(made.status, 201, made)
        odd = self.client.post("connections", {"name": "o", "connector": "odd", "credential": "token",
                                               "values": {"token": canary}})
        answers = [made, odd, self.client.get("connections"), self.client.get(f"connections/{made.data['id']}"),
                   self.client.post(f"connections/{made.data['id']}/test", {}),
                   self.client.put(f"connections/{made.data['id']}", {"name": "s2"}),
                   self.client.post("connections", {"name": "w", "connector": "http", "credential": "bearer",
                                                    "values": {"host": 5, "token": canary, "other": canary}}),
                   self.client.post("connections", {"name": "s", "connector": "http", "credential": "bearer",
                                                    "values": {"host": "127.0.0.1", "token": canary}},
                                                    headers={"Idempotency-Key": "s1"}),
                   self.client.post("connections",
                                    b'{"name":"w","connector":"http","values":{"token":"' + canary.encode() + b'"')]
        steps = [harness.http_step("call", self.sink.url + "/secret", connection=made.data["id"]),
                 harness.http_step("echo", self.sink.url + "/secret?status=400", connection=made.data["id"],
                                   on_error="continue",
                                   retry={"max_attempts": 1}),
                 {"id": "odd", "type": "action", "action": "odd.environment", "on_error": "continue",
                  "connection": odd.data["id"],
                  "with": {}}]
        x = self.run_steps(steps)
        answers.append(self.client.get(f"executions/{x['id']}"))
        self.assertTrue(any(canary in json.dumps(r) for r in self.sink.requests("/secret")),
                        "the upstream never got it")
        for a in answers:
            self.assertNotIn(canary.encode(), a.body)
        self.look_everywhere([canary, self.world.master_key, self.world.owner.split("_")[-1]])

    def look_everywhere(self, secrets):
        w, pids = self.world, [self.host.process.pid, *self.host.runners()]
        places = {"log": self.host.log.read_bytes(), "dump": w.database.dump(), "redis": b""}
        keys = w.servers.redis("KEYS *")
        places["redis"] = keys
        for line in keys.split(b"\r\n"):
            if line and line[:1] not in b"+*$:-":
                for command in ("GET", "HGETALL", "ZRANGE"):
                    places["redis"] += w.servers.redis(f"{command} {line.decode('latin-1')}" + (" 0 -1" if command == "ZRANGE" else ""))
        for path in (w.servers.dir / "data" / "nats").rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # nats-server takes its own files away
                if path.is_file():
                    places[f"nats {path.name}"] = path.read_bytes()
        for path in (w.servers.dir / "log").glob("*"):
            places[f"log {path.name}"] = path.read_bytes()
        for pid in pids:
            for name in ("environ", "cmdline"):
                places[f"{name} of {pid}"] = self.memory_maps_text(pid, name)
        for where, data in places.items():
            for s in secrets:
                self.assertNotIn(s.encode(), data, where)

    def test_secret__process_cannot_be_dumped(self):
        self.run_steps([{"id": "o", "type": "action", "action": "odd.echo", "with": {}}])
        self.assertTrue(self.host.runners())
        for pid in [self.host.process.pid, *self.host.runners()]:
            with open(f"/proc/{pid}/limits", encoding="utf-8") as f:
                line = next(x for x in f if x.startswith("Max core file size"))
            self.assertEqual(line.split()[4], "0", (pid, line))

    def test_log__one_line_stays_one_line(self):
        marker = "marker" + os.urandom(6).hex()
        wf = harness.Workflow(self.client, [{"id": "a", "type": "set", "with": {"x": 1}}])
        evil = f"{marker}\\n2026-01-01 INFO admin login ok"
        for headers in ([("User-Agent", f"{marker}\x1b[2J"), ("X-Request-Id", marker + '","x":"y')], [("User-Agent",
            "A" * 8000)],
                        [("User-Agent", f'{marker}"}}\\n{{"level":"error'), ("X-Forwarded-For", "6.6.6.6")],
                        [("Referer", evil), ("X-Request-Id", "a\x7fb")]):
            exchange(self.host.port, request("POST", wf.hook + "?" + marker, [("Content-Type", "application/json"),
                *headers], b"{}"))
        for name in (f"{marker}\n2026 INFO ok", f"{marker}\x1b[31m", f"{marker}\u2028\u202e"):
            self.client.post("api-keys", {"name": name, "role": "viewer"})
            self.run_steps([{"id": "o", "type": "action", "action": "odd.fail", "with": {"message": name},
                             "retry": {"max_attempts": 1}}])
        for line in self.host.log.read_bytes().rpartition(b"\n")[0].splitlines():  # the last one may be half there
            if not line:
                continue
            self.assertIsInstance(json.loads(line), dict, line[:200])
            self.assertNotIn(b"\x1b", line)
            self.assertNotIn(b"6.6.6.6", line)
            self.assertLess(len(line), 20000)
            self.assertNotIn(wf.hook.rsplit("/", 1)[1].encode(), line, "hook addresses are secrets")

    def test_sql__text_is_data(self):
        for text in ("'; DROP TABLE execution; --", "$1", "%_", "\\'; SELECT pg_sleep(60); --", '"', "E'\\x27'",
                     "{1,2}", "a\\u0027"):
            for path in (f"workflows?q={urllib.parse.quote(text, safe='')}",
                         f"executions?status={urllib.parse.quote(text, safe='')}",
                         f"connections?connector={urllib.parse.quote(text, safe='')}"):
                # one that slept would meet the timeout of statements, 15 s, and be another status
                self.assertIn(self.client.get(path).status, (200, 400, 404), path)
            made = self.client.post("workflows", {"definition": harness.definition([{"id": "a", "type": "set",
                "with": {text: text}}],
                                                                                   name=text)})
            if made.status == 201:
                self.assertEqual(self.client.get(f"workflows/{made.data['id']}").data["definition"]["name"], text)
        self.assertEqual([w for w in self.client.get("workflows?q=%25_%25").data if "%_" not in w["name"]], [])
        self.assertNotIn(b"syntax error", self.host.log.read_bytes())
        log = (self.world.servers.dir / "log" / "postgres.log").read_bytes()
        self.assertNotIn(b"syntax error", log)


class Poison(InsideCase):
    """The connector that misbehaves: one attempt fails, its neighbour in another runner and the next call do not."""

    ENDLESS = ("loop", "sleep", "malloc_flood")

    def odd(self, action, **params):
        timeout = "3s" if action in self.ENDLESS else "60s"
        return self.run_steps([{"id": "o", "type": "action", "action": "odd." + action, "timeout": timeout,
                                "retry": {"max_attempts": 1}, "with": params}])

    def lift(self):
        self.admin.post("admin/connectors/odd/quarantine", {"lift": True})

    def test_poison__fails_alone(self):
        pid = self.host.process.pid
        for action in ("null_write", "abort", "stack_overflow", "exit", "exit_mid_frame", "garbage_frame",
                       "double_free", "loop", "sleep",
                       "malloc_flood", "unknown_syscall", "huge_result", "deep_result", "bad_utf8", "nan", "log_flood"):
            with self.subTest(action):
                x = self.odd(action)
                self.assertIn(x["status"], ("failed", "succeeded") if action in ("log_flood",
                    "malloc_flood") else ("failed",), (action, x))
                self.lift()
                self.assertEqual(self.host.process.pid, pid)
                begun = time.monotonic()
                y = harness.wait_for("a healthy call after " + action, lambda: (
                    lambda e: e if e["status"] == "succeeded" else None)(self.odd("echo", hello=action)))
                self.assertEqual(harness.step(y, "o")["output"], {"hello": action})
                self.assertLess(time.monotonic() - begun, 25)

    def test_poison__cannot_break_out(self):
        for what in ("passwd", "environ", "parent_memory", "tmp_file", "socket", "unix_socket", "fork", "exec",
                     "ptrace", "kill_parent",
                     "kill_all", "exec_memory", "dumpable", "no_new_privs", "priority", "memfd", "io_uring", "bpf",
                     "unshare",
                     "stray_descriptor"):
            with self.subTest(what):
                x = self.odd("attack", what=what)
                if x["status"] == "succeeded":
                    self.assertEqual(harness.step(x, "o")["output"], {"answer": "refused"}, what)
                self.lift()

    def test_poison__environment_is_empty(self):
        x = self.odd("environment")
        text = json.dumps(x)
        self.assertNotIn("patchbay_api", text)
        self.assertNotIn(str(self.world.dir), text)

    def test_poison__leaks_stay_inside(self):
        before = self.descriptors()
        for action in ("fd_leak", "thread_bomb"):
            self.odd(action)
            self.lift()
        for _ in range(5):
            self.odd("abort")
            self.lift()
        harness.wait_for("descriptors to return", lambda: self.descriptors() <= before + 8)

    def descriptors(self):
        """All but connections over TCP: the pools have more or fewer of those."""
        with open("/proc/net/tcp", encoding="ascii") as f:
            tcp = {f"socket:[{line.split()[9]}]" for line in f}
        n = 0
        for fd in os.listdir(f"/proc/{self.host.process.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                n += os.readlink(f"/proc/{self.host.process.pid}/fd/{fd}") not in tcp
        return n
