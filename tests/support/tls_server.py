# SPDX-License-Identifier: Apache-2.0
"""
TLS servers for tests of clients: tls_server.py FOLDER makes a certificate authority (FOLDER/ca.pem) and one server a kind
of certificate, each on a free port of 127.0.0.1, and prints "kind port" lines, then "ready". Ends when its standard input
does. GET or POST / answers "hello"; /seen answers how many requests each kind has seen; /to/KIND redirects there.
"""
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import threading

HOME = "IP:127.0.0.1,DNS:localhost"
# kind: who signs it, whom it is for, days it is valid
KINDS = {
    "valid": ("ca", HOME, 30),
    "expired": ("ca", HOME, -1),
    "wrong_name": ("ca", "DNS:other.test,IP:127.0.0.2", 30),
    "no_name": ("ca", None, 30),
    "self_signed": (None, HOME, 30),
    "other_ca": ("other", HOME, 30),
    "old_tls": ("ca", HOME, 30),
}
PORTS, SEEN = {}, dict.fromkeys(KINDS, 0)


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


def make_key(folder, name):
    key = folder / f"{name}.key"
    openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key)
    return key


def make_ca(folder, name):
    openssl("req", "-x509", "-new", "-key", make_key(folder, name), "-out", folder / f"{name}.pem", "-days", 30, "-subj",
            f"/CN=Test {name}", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")


def make_cert(folder, kind, signer, names, days):
    key, pem = make_key(folder, kind), folder / f"{kind}.pem"
    extensions = ["basicConstraints=CA:FALSE"] + ([f"subjectAltName={names}"] if names else [])
    if signer is None:
        openssl("req", "-x509", "-new", "-key", key, "-out", pem, "-days", days, "-subj", "/CN=127.0.0.1",
                *[part for e in extensions for part in ("-addext", e)])
        return
    request, more = folder / f"{kind}.csr", folder / f"{kind}.ext"
    more.write_text("\n".join(extensions) + "\n")
    openssl("req", "-new", "-key", key, "-out", request, "-subj", "/CN=127.0.0.1" if names == HOME else "/CN=else")
    openssl("x509", "-req", "-in", request, "-CA", folder / f"{signer}.pem", "-CAkey", folder / f"{signer}.key",
            "-CAcreateserial", "-days", days, "-extfile", more, "-out", pem)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps(SEEN) if self.path == "/seen" else "hello"
        if self.path != "/seen":
            SEEN[self.server.kind] += 1
        self.send_response(302 if self.path.startswith("/to/") else 200)
        if self.path.startswith("/to/"):
            self.send_header("Location", f"https://127.0.0.1:{PORTS[self.path[4:]]}/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = answer

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder, kind):
        super().__init__(("127.0.0.1", 0), Handler)
        self.kind = kind
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if kind == "old_tls":
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.maximum_version = ssl.TLSVersion.TLSv1_1
            self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.context.load_cert_chain(folder / f"{kind}.pem", folder / f"{kind}.key")

    def finish_request(self, request, client_address):
        """In the connection's own thread: a client that refuses the certificate ends only that."""
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError:
            pass


def main():
    folder = pathlib.Path(sys.argv[1])
    for name in ("ca", "other"):
        make_ca(folder, name)
    for kind, (signer, names, days) in KINDS.items():
        make_cert(folder, kind, signer, names, days)
        server = Server(folder, kind)
        PORTS[kind] = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(kind, server.server_port)
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
