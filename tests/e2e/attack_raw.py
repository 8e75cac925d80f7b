# SPDX-License-Identifier: Apache-2.0
"""
An HTTP client that sends what no client should: bytes as they are, and answers read without trust.
Used by the attack tests; the harness's client is the honest one.
"""
import contextlib
import json
import socket
import time

import harness


class Reply:
    """One answer; @status 0 when what came is none."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.json = None
        with contextlib.suppress(ValueError):
            self.json = json.loads(body) if body else None

    @property
    def code(self):
        errors = (self.json or {}).get("errors") if isinstance(self.json, dict) else None
        return errors[0]["code"] if errors else None

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Exchange:
    """What a connection brought: answers in order, and whether the host closed it."""

    def __init__(self, replies, closed, took_s):
        self.replies, self.closed, self.took_s = replies, closed, took_s

    @property
    def first(self):
        return self.replies[0] if self.replies else Reply(0, {}, b"")

    @property
    def statuses(self):
        return [r.status for r in self.replies]

    def __repr__(self):
        return f"<{self.replies} {'closed' if self.closed else 'open'} {self.took_s:.2f} s>"


def connect(port, timeout=60.0, receive_bytes=0):
    s = socket.socket()
    if receive_bytes:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    s.settimeout(timeout)
    s.connect(("127.0.0.1", port))
    return s


def parse(data):
    """(complete answers, unparsed rest)"""
    replies = []
    while data:
        head, sep, rest = data.partition(b"\r\n\r\n")
        if not sep:
            break
        lines = head.split(b"\r\n")
        words = lines[0].split(b" ")
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            replies.append(Reply(0, {}, data))
            return replies, b""
        headers = {k.strip().lower().decode("latin-1"): v.strip().decode("latin-1")
                   for k, _, v in (line.partition(b":") for line in lines[1:])}
        status = int(words[1])
        length = 0 if 100 <= status < 200 or status == 204 else int(headers.get("content-length", "0"))
        if len(rest) < length:
            break
        replies.append(Reply(status, headers, rest[:length]))
        data = rest[length:]
    return replies, data


def exchange(port, data, answers=1, wait=60.0, linger=0.25, half_close=False, until_closed=False):
    """
    Sends @data, reads until @answers came (1xx not counted) or the end, then looks @linger s for more. With
    @until_closed it reads on until the host closes. @wait bounds all of it.
    """
    begun = time.monotonic()
    got, closed, replies = b"", False, []
    wait *= harness.PATIENCE
    with connect(port) as s:
        with contextlib.suppress(OSError):  # the host may answer and close before all of it is sent
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        deadline = begun + wait
        while True:
            replies, _ = parse(got)
            enough = len([r for r in replies if r.status >= 200]) >= answers
            left = deadline - time.monotonic()
            if enough and not until_closed:
                left = min(linger, left)
            if left <= 0:
                break
            s.settimeout(left)
            try:
                part = s.recv(65536)
            except socket.timeout:
                break
            except OSError:
                closed = True
                break
            if not part:
                closed = True
                break
            got += part
    return Exchange(replies, closed, time.monotonic() - begun)


def request(method, target, headers=(), body=b"", host="127.0.0.1", version="1.1"):
    """Bytes of a request; @headers: pairs or raw lines. Content-Length only when there is a body."""
    lines = [f"{method} {target} HTTP/{version}".encode("latin-1")]
    if host is not None:
        lines.append(b"Host: " + host.encode("latin-1"))
    for h in headers:
        lines.append(h if isinstance(h, bytes) else f"{h[0]}: {h[1]}".encode("latin-1"))
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class AttackCase(harness.HostCase):
    """After all attacks the host ends by itself, with nothing to report (leaks, in a sanitizer build)."""

    @classmethod
    def tearDownClass(cls):
        status = cls.host.stop()
        # the host's own lines are JSON; what a runner printed is inside of one
        other = [line for line in cls.host.log.read_text(errors="replace").splitlines() if line and line[0] != "{"]
        assert not other, "\n".join(other[:80])
        assert status == 0, f"the host ended with {status}: {cls.host.tail()}"
