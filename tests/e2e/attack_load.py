# SPDX-License-Identifier: Apache-2.0
"""
Clients that hold sockets, send or read a byte now and then, or come in crowds. All the while one good client works;
afterwards memory and descriptors must be back. Every address of 127/8 is ours, so attackers come from many.
"""
import contextlib
import os
import resource
import select
import shutil
import socket
import statistics
import threading
import time

import harness
from attack_raw import AttackCase, request

GOOD_P99_S = 0.5
# A busy machine makes an attempt slow now and then, a host that lets itself be blocked each one.
ATTEMPTS = 3


class GoodClient(threading.Thread):
    """One request every 20 ms on a connection of its own, from an address of its own; remembers how long each took."""

    def __init__(self, port, target="/health"):
        super().__init__(daemon=True)
        self.port, self.data = port, request("GET", target)
        self.took, self.failed = [], []
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.02):
            begun = time.monotonic()
            try:
                with socket.create_connection(("127.0.0.1", self.port), 30, source_address=("127.9.9.9", 0)) as s:
                    s.sendall(self.data)
                    if b" 200 " not in s.recv(65536)[:20]:
                        self.failed.append("status")
            except OSError as e:
                self.failed.append(repr(e))
            self.took.append(time.monotonic() - begun)

    def stop(self):
        self.stopping.set()
        self.join()

    def p99(self):
        """Of all requests that were due: one that waits keeps the following ones from being sent at all."""
        due = [t - 0.02 * i for t in self.took for i in range(int(t / 0.02) + 1)]
        return sorted(due)[max(0, int(len(due) * 0.99) - 1)]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        return int(next(line for line in f if line.startswith("Rss:")).split()[1])


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# What the host may keep open for the next rush: its pools to PostgreSQL and Redis, a runner. Each attack opens hundreds.
KEPT_MAX = 40


def kinds_of_descriptors(pid):
    """What is open, for whoever has to find out why: sockets by their far port."""
    import collections
    import subprocess
    found = collections.Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found[os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0]] += 1
    ss = subprocess.run(["ss", "-tanpH"], check=False, stdout=subprocess.PIPE, text=True).stdout if shutil.which("ss") else ""
    far = collections.Counter(line.split()[0] + " " + line.split()[4].rsplit(":", 1)[1]
                              for line in ss.splitlines() if f"pid={pid}," in line)
    return dict(found), dict(far.most_common(12))


class Load(AttackCase):
    # the shipped limits, so that the attack meets what people run
    SETTINGS = {"http_connections_per_ip": 100, "http_threads": 256, "http_keep_alive_timeout": "2s"}

    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 16384)), hard))
        super().setUpClass()
        cls.pid = cls.host.process.pid
        cls.auth = ("Authorization", "Bearer " + cls.world.owner)
        cls.wf = harness.Workflow(cls.client, [{"id": "a", "type": "set", "with": {"x": 1}}])
        # a first wave, so that every worker has touched its buffers before anything is measured
        for _ in range(3):
            cls.crowd_of_good(cls, 400)

    def crowd_of_good(self, n):
        sockets = [self.open(self, i) for i in range(n)]
        for s in sockets:
            with contextlib.suppress(OSError):
                s.sendall(request("GET", "/api/v1/workflows", [self.auth, ("X", "y" * 14000)]))
        for s in sockets:
            with contextlib.suppress(OSError):
                s.recv(65536)
            s.close()

    def open(self, i, receive=0):
        """A socket from an address that has at most 90 of them."""
        s = socket.socket()
        if receive:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        s.settimeout(30)
        k = i // 90
        s.bind((f"127.1.{k // 250}.{k % 250 + 1}", 0))
        s.connect(("127.0.0.1", self.host.port))
        return s

    def setUp(self):
        self.before = (descriptors(self.pid), rss_kb(self.pid))
        self.sockets = []
        self.addCleanup(lambda: [s.close() for s in self.sockets])

    def settled(self):
        """Everything is given back."""
        for s in self.sockets:
            s.close()
        fds, rss = self.before
        try:
            harness.wait_for("descriptors to return", lambda: descriptors(self.pid) <= fds + KEPT_MAX)
        except AssertionError as e:
            raise AssertionError(f"{e}: {fds} before, now {descriptors(self.pid)}: {kinds_of_descriptors(self.pid)}") from None
        self.assertTrue(self.host.alive())
        self.assertEqual(self.host.client().get("workflows").status, 200)
        harness.wait_for(f"memory to return to {rss} kB (is {rss_kb(self.pid)})",
                         lambda: rss_kb(self.pid) <= rss * 1.10 + 2048)
        harness.wait_for("the host to be idle", self.is_idle)

    def is_idle(self):
        begun, cpu = time.monotonic(), cpu_s(self.pid)
        threading.Event().wait(1.0)
        return cpu_s(self.pid) - cpu < 0.5 * (time.monotonic() - begun)

    def good_is_served(self, attack):
        """Beside @attack a good client's p99 is fine; what one at the sink waits meanwhile is the machine's doing."""
        for attempt in range(ATTEMPTS):
            good, other = GoodClient(self.host.port), GoodClient(self.sink.port, "/__health")
            good.start()
            other.start()
            try:
                attack()
                harness.wait_for("enough good requests", lambda good=good: len(good.took) >= 50)
            finally:
                good.stop()
                other.stop()
            print(f"[{len(good.took)} good requests, median {statistics.median(good.took) * 1000:.1f} ms, "
                  f"p99 {good.p99() * 1000:.1f} ms, longest {max(good.took) * 1000:.0f} ms, failed {len(good.failed)}; "
                  f"p99 at the sink {other.p99() * 1000:.1f} ms]", end=" ", flush=True)
            self.assertEqual(good.failed[:3], [])
            if good.p99() < GOOD_P99_S + 2 * other.p99():
                return
            for s in self.sockets:
                s.close()
            self.sockets = []
        self.fail(f"a good client was served late {ATTEMPTS} times")

    def drip(self, first, rest, every, seconds=90, n=500):
        """@n sockets send @first, then one byte of @rest now and then, until the host has closed all. Longest life."""
        begun = time.monotonic()
        alive = {}
        for i in range(n):
            with contextlib.suppress(OSError):
                s = self.open(i)
                s.sendall(first)
                s.setblocking(False)
                alive[s] = 0
                self.sockets.append(s)
        opened = time.monotonic()
        poll = select.poll()
        for s in alive:
            poll.register(s, select.POLLIN | select.POLLHUP)
        by_fd = {s.fileno(): s for s in alive}
        sent = opened
        while alive and time.monotonic() - opened < seconds:
            for fd, _ in poll.poll(100):
                s = by_fd[fd]
                try:
                    gone = not s.recv(4096)
                except BlockingIOError:
                    gone = False
                except OSError:
                    gone = True
                if gone:
                    poll.unregister(fd)
                    alive.pop(s, None)
            if time.monotonic() - sent >= every:
                sent = time.monotonic()
                for s in list(alive):
                    with contextlib.suppress(OSError):
                        s.send(rest)
        print(f"[opened in {opened - begun:.1f} s, all gone after {time.monotonic() - opened:.1f} s]", end=" ",
              flush=True)
        self.assertEqual(len(alive), 0, "sockets are still open")

    def test_slow__500_heads(self):
        head = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
        self.good_is_served(lambda: self.drip(head, b"a", 2))
        self.settled()

    def test_slow__500_silent(self):
        self.good_is_served(lambda: self.drip(b"", b"", 5))
        self.settled()

    def test_slow__500_bodies(self):
        head = f"POST {self.wf.hook} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        self.good_is_served(lambda: self.drip(head.encode() + b" ", b" ", 1))
        self.settled()

    def test_slow__readers(self):
        one = request("GET", "/api/v1/openapi.json")

        def attack():
            for i in range(200):
                s = self.open(i, receive=2304)
                with contextlib.suppress(OSError):
                    s.sendall(one * 8)
                self.sockets.append(s)
                threading.Event().wait(0.01)  # it is about holding them, not about 200 MB at once
            deadline = time.monotonic() + 14  # longer than the host waits for one
            while time.monotonic() < deadline:
                for s in self.sockets:
                    s.setblocking(False)
                    with contextlib.suppress(OSError):
                        s.recv(1)
                threading.Event().wait(1.0)
        self.good_is_served(attack)
        self.settled()

    def test_crowd__10000_sockets(self):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        n = min(10000, limit - 500)

        def attack():
            failed = 0
            for i in range(n):
                try:
                    s = self.open(i)
                    s.settimeout(5)
                    self.sockets.append(s)
                    s.sendall(request("GET", "/health"))
                except OSError:
                    failed += 1
                if i % 1000 == 0:
                    self.peak = max(getattr(self, "peak", 0), descriptors(self.pid))
            self.peak = max(self.peak, descriptors(self.pid))
            threading.Event().wait(4)
        self.good_is_served(attack)
        with open(f"/proc/{self.pid}/limits", encoding="utf-8") as f:
            most = int(next(line for line in f if line.startswith("Max open files")).split()[3])
        print(f"[{n} sockets, host peak {self.peak} of {most} descriptors]", end=" ", flush=True)
        self.assertLess(self.peak, most * 0.8)
        self.settled()
        self.assertNotIn("Too many open files", self.host.tail(200000))

    def test_flood__of_refused_heads(self):
        """As fast as one can: nothing is kept of any of them."""
        bad = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"A" * 40000, request("GET", "/" + "%00" * 300),
               request("POST", self.wf.hook, [("Content-Length", "1"), ("Transfer-Encoding", "chunked")]),
               request("GET", "/x", [("X", "y" * 15000)])]

        def attack():
            deadline = time.monotonic() + 4
            i = 0
            while time.monotonic() < deadline:
                i += 1
                with contextlib.suppress(OSError):
                    s = self.open(i % 9000)
                    s.sendall(bad[i % len(bad)])
                    s.close()
        attack()  # the first one shows what the peak needs, the second one whether anything stays
        harness.wait_for("descriptors to return", lambda: descriptors(self.pid) <= self.before[0] + KEPT_MAX)
        self.before = (self.before[0], rss_kb(self.pid))
        self.good_is_served(attack)
        self.settled()


class Address(AttackCase):
    """Idle connections are kept, so that only the limit of an address closes any."""

    SETTINGS = {"http_connections_per_ip": 100, "http_threads": 256, "http_keep_alive_timeout": "1m"}

    def ask(self, s):
        """The answer's first line; empty when the host has closed instead."""
        try:
            s.sendall(request("GET", "/health"))
            return s.recv(65536).split(b"\r\n")[0]
        except OSError as e:
            self.assertNotIsInstance(e, socket.timeout)
            return b""

    def open(self, n, source):
        sockets = [socket.create_connection(("127.0.0.1", self.host.port), 60, source_address=(source, 0)) for _ in range(n)]
        self.addCleanup(lambda: [s.close() for s in sockets])
        return sockets, [self.ask(s) for s in sockets]

    def test_crowd__one_address_has_100(self):
        first, answers = self.open(100, "127.2.0.1")
        self.assertEqual(set(answers), {b"HTTP/1.1 200 OK"})
        _, answers = self.open(40, "127.2.0.1")
        self.assertEqual(set(answers), {b""})
        _, answers = self.open(1, "127.2.0.2")
        self.assertEqual(answers, [b"HTTP/1.1 200 OK"])
        for s in first:
            s.close()
        harness.wait_for("the address to be served again", lambda: self.open(1, "127.2.0.1")[1][0])


class Rates(AttackCase):
    """Small limits, so that they are met however slow requests are."""

    SETTINGS = {"api_rate_per_minute": 20, "hook_rate_per_minute": 20}

    def until_refused(self, ask):
        """Answers until ten were 429; no more than the limit of 20 a minute has been let through."""
        begun, got = time.monotonic(), []
        while sum(a.status == 429 for a in got) < 10:
            got.append(ask())
            self.assertLess(len(got), 1000, "no limit")
        minutes = (time.monotonic() - begun) / 60
        self.assertLessEqual(sum(a.status != 429 for a in got), 20 + 20 * minutes + 5)
        self.assertGreaterEqual(sum(a.status != 429 for a in got), 15)
        return got

    def test_rate__of_hooks_is_per_tenant(self):
        other = self.host.client(self.world.second_tenant(self.client, "calm"))
        mine = harness.Workflow(self.client, [{"id": "a", "type": "set", "with": {"x": 1}}])
        calm = harness.Workflow(other, [{"id": "a", "type": "set", "with": {"x": 1}}])
        got = self.until_refused(lambda: mine.post({}))
        self.assertEqual({a.status for a in got}, {202, 429})
        for a in [a for a in got if a.status == 429]:
            self.assert_error(a, 429)
            self.assertGreater(int(a.headers["retry-after"]), 0)
        self.assertEqual(calm.post({}).status, 202)

    def test_rate__of_the_api_is_per_key(self):
        key = self.client.post("api-keys", {"name": "busy", "role": "viewer"}).data["key"]
        got = self.until_refused(lambda: self.client.get("workflows", token=key))
        self.assertEqual({a.status for a in got}, {200, 429})
        self.assertGreater(int(got[-1].headers["retry-after"]), 0)
        self.assertEqual(self.client.get("workflows").status, 200)

    def test_rate__wrong_keys_are_refused_however_many(self):
        statuses = {self.client.get("workflows", token="pb_key_" + os.urandom(21).hex()).status for _ in range(200)}
        self.assertLessEqual(statuses, {401, 429}, statuses)
