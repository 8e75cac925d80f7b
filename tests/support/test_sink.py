#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Tests patchbay-sink itself: other tests believe what it recorded. usage: test_sink.py PATH-OF-PATCHBAY-SINK
import gzip, http.client, json, os, select, signal, socket, subprocess, sys, tempfile, threading, time, unittest

SINK = sys.argv.pop(1)


class Sink:
    def __init__(self, *args):
        self.dir = tempfile.TemporaryDirectory()
        self.journal = os.path.join(self.dir.name, "journal")
        port_file = os.path.join(self.dir.name, "port")
        self.process = subprocess.Popen(
            [SINK, "--port-file", port_file, "--journal", self.journal, *args], stdout=subprocess.PIPE)
        self.process.stdout.readline()  # printed once the port is open
        with open(port_file) as f:
            self.port = int(f.read())

    def connect(self, timeout=20):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, method, target, body=None, headers={}):
        c = self.connect()
        c.request(method, target, body, headers)
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, data, r

    def json(self, method, target, body=None, headers={}):
        return json.loads(self.call(method, target, body, headers)[1])

    def raw(self, data):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        s.sendall(data)
        return s

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        self.process.stdout.close()
        self.dir.cleanup()
        return status


def read_all(s):
    out = b""
    while True:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            return out
        if not piece:
            return out
        out += piece


class TestSink(unittest.TestCase):
    def setUp(self):
        self.sink = Sink()

    def tearDown(self):
        self.assertEqual(self.sink.stop(), 0)

    def test_echo_and_record_hold_the_same(self):
        body = json.dumps({"n": 19.99, "text": "žluť\u0000"}).encode()
        got = self.sink.json("POST", "/orders?a=1", body,
                             {"Content-Type": "application/json", "Idempotency-Key": "k-1"})
        self.assertEqual(got["received"]["body"], json.loads(body))
        self.assertEqual(got["received"]["idempotency_key"], "k-1")
        page = self.sink.json("GET", "/__requests?since=0")
        self.assertEqual(page["next"], 1)
        record = page["requests"][0]
        self.assertEqual(record["body"].encode(), body)
        self.assertEqual((record["method"], record["path"], record["query"], record["status"]),
                         ("POST", "/orders", "a=1", 200))
        self.assertEqual(record["headers"]["content-type"], "application/json")
        with open(self.sink.journal) as f:
            self.assertEqual([json.loads(line) for line in f], [record])
        self.assertEqual(self.sink.json("GET", "/__requests?since=1")["requests"], [])

    def test_fails_the_first_calls_of_each_key(self):
        target = "/x?status=503&status_times=2&retry_after=3"
        for key in ("a", "b"):
            statuses = []
            for _ in range(4):
                status, _, r = self.sink.call("POST", target, b"{}", {"Idempotency-Key": key})
                statuses.append((status, r.getheader("Retry-After")))
            self.assertEqual(statuses, [(503, "3"), (503, "3"), (200, None), (200, None)])
        self.assertEqual(self.sink.json("GET", "/__count"),
                         {"requests": 8, "keys": 2, "repeated": 6, "kept": 8})
        self.sink.call("POST", "/__reset")
        self.assertEqual(self.sink.json("GET", "/__count")["requests"], 0)
        self.assertEqual(self.sink.call("POST", target, b"{}", {"Idempotency-Key": "a"})[0], 503)

    def test_modes_in_the_path_work_like_the_query(self):
        self.assertEqual(self.sink.call("GET", "/~status=418,x=1/deep/path")[0], 418)

    def test_answer_header_and_redirect(self):
        status, data, r = self.sink.call("GET", "/?answer=%7B%22a%22%3A1%7D&header=X-A%3A%20b")
        self.assertEqual((status, data, r.getheader("X-A")), (200, b'{"a":1}', "b"))
        status, _, r = self.sink.call("GET", "/?redirect=http%3A%2F%2F127.0.0.1%2Fb%3Fc%3Dd&status=307")
        self.assertEqual((status, r.getheader("Location")), (307, "http://127.0.0.1/b?c=d"))
        # a value must not be able to write headers of its own
        status, _, r = self.sink.call("GET", "/?header=X-A%3Ab%0D%0AX-B%3Ac")
        self.assertIsNone(r.getheader("X-B"))

    def test_chunked_request_is_put_together(self):
        def pieces():
            yield b"first "
            yield b"x" * 200000
            yield b" last"
        c = self.sink.connect()
        c.request("POST", "/chunked", pieces(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
        echoed = json.loads(c.getresponse().read())["received"]["body"]
        self.assertEqual(echoed, "first " + "x" * 200000 + " last")
        c.request("GET", "/after")  # the connection is still in step
        self.assertEqual(json.loads(c.getresponse().read())["received"]["path"], "/after")
        c.close()

    def test_pipelined_requests_are_answered_in_order(self):
        s = self.sink.raw(b"GET /1?delay_ms=50 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"
                          b"GET /3 HTTP/1.1\r\nConnection: close\r\n\r\n")
        out = read_all(s)
        s.close()
        self.assertEqual(out.count(b"HTTP/1.1 200 OK"), 3)
        self.assertLess(out.index(b'"path":"/1"'), out.index(b'"path":"/2"'))
        self.assertLess(out.index(b'"path":"/2"'), out.index(b'"path":"/3"'))

    def test_expect_continue(self):
        s = self.sink.raw(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        self.assertEqual(s.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
        s.sendall(b"{}")
        self.assertIn(b"200 OK", s.recv(4096))
        s.close()

    def test_what_is_not_http_is_refused(self):
        for bad in (b"hello\r\n\r\n", b"GET x HTTP/1.1\r\n\r\n", b"GET / HTTP/2\r\n\r\n",
                    b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                    b"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
                    b"GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                    b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                    b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\r\n\r\n"):
            s = self.sink.raw(bad)
            self.assertTrue(read_all(s).startswith(b"HTTP/1.1 400 "), bad)
            s.close()
        self.assertEqual(self.sink.json("GET", "/__count")["requests"], 0)

    def test_delay(self):
        start = time.monotonic()
        self.sink.call("GET", "/?delay_ms=200")
        self.assertGreaterEqual(time.monotonic() - start, 0.2)

    def test_release(self):
        held = [self.sink.raw(b"GET /?delay_ms=600000 HTTP/1.1\r\nConnection: close\r\n\r\n") for _ in range(3)]
        while self.sink.json("GET", "/__count")["requests"] < 3:
            time.sleep(0.01)
        self.assertEqual(select.select(held, [], [], 0.1)[0], [])
        self.sink.call("POST", "/__release")
        for s in held:
            self.assertTrue(read_all(s).startswith(b"HTTP/1.1 200 "))
            s.close()

    def test_bad_bodies(self):
        status, data, r = self.sink.call("GET", "/?body=garbage")
        self.assertEqual((status, r.getheader("Content-Type")), (200, "application/json"))
        self.assertRaises(ValueError, json.loads, data.decode("latin-1"))
        self.assertEqual(len(self.sink.call("GET", "/?body=huge&bytes=5000000")[1]), 5000000)
        self.assertEqual(len(self.sink.call("GET", "/?body=slow&bytes=20&interval_ms=2")[1]), 20)
        self.assertRaises(http.client.IncompleteRead, self.sink.call, "GET", "/?body=cut")
        self.assertRaises(http.client.RemoteDisconnected, self.sink.call, "GET", "/?body=close")
        self.assertRaises(ConnectionResetError, self.sink.call, "GET", "/?body=reset")
        self.assertRaises(http.client.BadStatusLine, self.sink.call, "GET", "/?body=noise")
        self.assertRaises(http.client.HTTPException, self.sink.call, "GET", "/?body=headers")
        # all were received, whatever was answered
        self.assertEqual(self.sink.json("GET", "/__count")["requests"], 8)

    def test_gzip_bomb_is_a_right_gzip_stream(self):
        status, data, r = self.sink.call("GET", "/?body=gzip_bomb&bytes=3000000")
        self.assertEqual(r.getheader("Content-Encoding"), "gzip")
        out = gzip.decompress(data)
        self.assertEqual(len(out), 3000000 // 2064 * 2064 + 1)
        self.assertEqual(out.strip(b"\0"), b"")
        self.assertGreater(len(out) / len(data), 150)

    def test_endless_ends_when_the_client_leaves(self):
        s = self.sink.raw(b"GET /?body=endless HTTP/1.1\r\n\r\n")
        got = 0
        while got < 3000000:
            got += len(s.recv(65536))
        s.close()
        self.assertEqual(self.sink.json("GET", "/__health"), {"status": "ok"})

    def test_hang_answers_nothing_and_others_go_on(self):
        s = self.sink.raw(b"GET /?body=hang HTTP/1.1\r\n\r\n")
        self.assertEqual(self.sink.call("GET", "/other")[0], 200)
        s.settimeout(0.2)
        self.assertRaises(socket.timeout, s.recv, 1)
        s.close()

    def test_two_thousand_delayed_at_once(self):
        start = time.monotonic()
        socks = [self.sink.raw(b"GET /?delay_ms=700 HTTP/1.1\r\nConnection: close\r\n\r\n") for _ in range(2000)]
        for s in socks:
            self.assertIn(b"200 OK", read_all(s))
            s.close()
        # one after the other would be 1400 seconds
        self.assertLess(time.monotonic() - start, 30)

    def test_journal_survives_kill(self):
        done = []

        def post():
            try:
                for i in range(1000000):
                    self.sink.call("POST", "/k", b"{}", {"Idempotency-Key": f"key-{i}"})
                    done.append(f"key-{i}")
            except (OSError, http.client.HTTPException):
                pass
        t = threading.Thread(target=post)
        t.start()
        while len(done) < 50:
            time.sleep(0.01)
        self.sink.process.kill()
        t.join()
        with open(self.sink.journal) as f:
            kept = {json.loads(line)["idempotency_key"] for line in f}
        self.assertTrue(set(done) <= kept)
        self.sink.process.wait()
        self.sink.process.stdout.close()
        self.sink.dir.cleanup()
        self.sink = Sink()  # for tearDown

    def test_ring_keeps_the_newest(self):
        other = Sink("--ring", "3", "--journal-sync", "none")
        for i in range(5):
            other.call("GET", f"/{i}")
        page = other.json("GET", "/__requests")
        self.assertEqual([r["path"] for r in page["requests"]], ["/2", "/3", "/4"])
        self.assertEqual(page["next"], 5)
        self.assertEqual(other.stop(), 0)


if __name__ == "__main__":
    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    unittest.main(warnings="ignore")
