# SPDX-License-Identifier: Apache-2.0
"""
What a host says when it cannot start: one sentence that names the setting and the remedy, exit status 1, at once. And
what it starts without: NATS and Redis may be away, and come back later.
"""
import base64
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import harness
from harness import FINAL, command_as_account, environment, free_port, give, wait_for

# No start that fails may take longer, whatever is away.
AT_ONCE = 20


class Startup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = harness.World()

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    # ---- helpers

    def config(self, without=(), **settings):
        merged = {**self.world.settings, "listen": f"127.0.0.1:{free_port()}", **settings}
        path = self.world.dir / f"startup-{os.urandom(4).hex()}.conf"
        path.write_text("".join(f"{k} = {v}\n" for k, v in merged.items() if k not in without))
        path.chmod(0o644)
        return path

    def file(self, text, mode=0o600):
        path = self.world.dir / f"file-{os.urandom(4).hex()}"
        path.touch(mode=mode)
        path.write_text(text)
        path.chmod(mode)
        give(path)
        return path

    def run_to_end(self, *argv):
        begin = time.monotonic()
        done = subprocess.run(command_as_account([self.world.programs["bin"] / "patchbay", *argv]), cwd="/",
                              env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=60 * harness.PATIENCE)
        self.assertLess(time.monotonic() - begin, AT_ONCE * harness.PATIENCE)
        return done

    def assert_refused(self, words, *argv, sentences=1):
        """Status 1, and on stderr only sentences for people, in one of which all @words occur."""
        done = self.run_to_end(*argv)
        self.assertEqual(done.returncode, 1, done)
        said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        self.assertEqual(len(said), sentences, said)
        for line in said:
            self.assertRegex(line, r"^patchbay: \S.{20,}$")
        for word in words:
            self.assertTrue(any(word.lower() in line.lower() for line in said), (word, said))
        self.assertNotIn(self.world.master_key, done.stderr + done.stdout)
        self.assertNotIn(self.world.servers.pg_password, done.stderr + done.stdout)
        return said

    def refuse(self, words, without=(), sentences=1, **settings):
        return self.assert_refused(words, "serve", "--config", self.config(without, **settings), sentences=sentences)

    # ---- settings and files

    def test_unknown_setting(self):
        self.refuse(["no_such_setting", "check-config"], no_such_setting="1")

    def test_value_of_a_wrong_kind(self):
        self.refuse(["http_threads"], http_threads="many")

    def test_configuration_file_missing(self):
        self.assert_refused(["/nonexistent/patchbay.conf", "--config"], "serve", "--config", "/nonexistent/patchbay.conf")

    def test_required_setting_missing(self):
        self.refuse(["database_engine_url_file"], without=("database_engine_url_file",))

    def test_secret_file_missing(self):
        self.refuse(["nats_url_file", "exist"], nats_url_file="/nonexistent/nats")

    def test_secret_file_readable_by_others(self):
        path = self.file("kek_e2e:" + self.world.master_key, 0o644)
        self.refuse(["master_key_file", "0600"], master_key_file=path)

    @unittest.skipUnless(harness.as_root(), "only root can make a file that the account cannot read")
    def test_secret_file_of_somebody_else(self):
        path = self.file("kek_e2e:" + self.world.master_key)
        os.chown(path, 0, 0)
        self.refuse(["master_key_file", "permission"], master_key_file=path)

    def test_secret_file_empty(self):
        self.refuse(["master_key_file"], master_key_file=self.file(""))

    def test_several_faults_are_all_said(self):
        self.refuse(["no_such_setting", "http_threads"], sentences=2, no_such_setting="1", http_threads="many")

    # ---- the master key

    def test_master_key_malformed(self):
        self.refuse(["master_key_file", "kek_"], master_key_file=self.file("not a key"))

    def test_master_key_of_another_database(self):
        wrong = base64.b64encode(os.urandom(32)).decode()
        said = self.refuse(["master_key_file"], master_key_file=self.file("kek_e2e:" + wrong))
        self.assertNotIn(wrong, said[0])

    def test_master_key_with_another_name(self):
        wrong = base64.b64encode(os.urandom(32)).decode()
        self.refuse(["master_key_file"], master_key_file=self.file("kek_other:" + wrong))

    # ---- the database

    def test_database_away(self):
        url = re.sub(r":\d+/", f":{free_port()}/", self.world.database.urls["api"].strip())
        files = {f"database_{r}_url_file": self.file(re.sub(r":\d+/", f":{free_port()}/", u.strip()))
                 for r, u in self.world.database.urls.items()}
        self.refuse(["database_", "_url_file"], **files)
        self.refuse(["database_api_url_file"], database_api_url_file=self.file(url))

    def test_database_password_wrong(self):
        url = re.sub(r"//([^:]+):[^@]+@", r"//\1:wrong-canary@", self.world.database.urls["api"].strip())
        said = self.refuse(["database_api_url_file"], database_api_url_file=self.file(url))
        self.assertNotIn("canary", said[0])

    def test_database_address_malformed(self):
        said = self.refuse(["database_api_url_file"], database_api_url_file=self.file("postgresql://canary:canary@[::1"))
        self.assertNotIn("canary", said[0])

    def test_migrations_pending(self):
        empty = harness.Database(self.world.servers, "e2e_" + os.urandom(6).hex())
        files = {f"database_{r}_url_file": self.file(u) for r, u in empty.urls.items()}
        self.refuse(["patchbay migrate"], **files)
        # also for a host that has no right to look at the migrations
        self.refuse(["patchbay migrate"], without=("database_migrate_url_file",),
                    **{k: v for k, v in files.items() if k != "database_migrate_url_file"})

    def test_migrations_folder_missing(self):
        self.refuse(["migrations_dir", "give it"], migrations_dir="/nonexistent/migrations")
        self.assert_refused(["migrations_dir", "give it"], "migrate", "--config",
                            self.config(migrations_dir="/nonexistent/migrations"))

    # ---- the rest

    def test_port_taken(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            address = "127.0.0.1:%d" % s.getsockname()[1]
            self.refuse(["listen", address], listen=address)

    def test_runner_missing(self):
        self.refuse(["runner_path", "correct the path"], runner_path="/nonexistent/runner")

    def test_runner_not_a_program(self):
        path = self.file("text")
        self.refuse(["runner_path", "correct the path"], runner_path=path)

    def test_connector_folder_missing(self):
        self.refuse(["connector_dir", "correct the path"], connector_dir="/nonexistent/connectors")

    def test_log_file_cannot_be_written(self):
        self.refuse(["log_file", "folder"], log_file="/nonexistent/patchbay.log")

    def test_bootstrap_needs_a_folder(self):
        conf = self.config()
        self.assert_refused(["--out", "/nonexistent"], "bootstrap", "--config", conf, "--out", "/nonexistent/keys")
        self.assertEqual(self.run_to_end("bootstrap", "--config", conf).returncode, 2)

    @unittest.skipUnless(harness.as_root(), "only root can start it as root")
    def test_root_without_a_runner_account(self):
        path = self.config(runner_user="no-such-account")
        done = subprocess.run([self.world.programs["bin"] / "patchbay", "serve", "--config", path], cwd="/",
                              env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=60 * harness.PATIENCE)
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr, r"(?m)^patchbay: .*(runner_user|mode|owner|master|_file)")

    # ---- the command line

    def test_usage(self):
        for argv in ([], ["nonsense"], ["serve", "--nonsense"], ["serve", "--config"]):
            done = self.run_to_end(*argv)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("patchbay", done.stderr)
        done = self.run_to_end("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("bootstrap", done.stdout)
        done = self.run_to_end("version")
        self.assertRegex(done.stdout, r"^patchbay \d+\.\d+\.\d+\n$")

    def test_check_config(self):
        done = self.run_to_end("check-config", "--config", self.config())
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assert_refused(["no_such_setting"], "check-config", "--config", self.config(no_such_setting="1"))

    # ---- starting without what can be missing

    def test_without_redis_setting(self):
        host = self.world.host(start=False)
        host.settings["redis_url_file"] = ""
        host.start()
        self.assertEqual(host.client().get("/ready").status, 200)
        self.assertNotIn("redis", host.client().get("/ready").data["dependencies"])
        self.assertEqual(host.stop(), 0)


class Away(unittest.TestCase):
    """Servers that are away at the start; these have the servers for themselves."""

    def setUp(self):
        self.world = harness.World()
        self.addCleanup(self.world.close)

    def test_redis_away(self):
        self.world.servers.stop("redis")
        try:
            host = self.world.host()
            ready = host.client().get("/ready")
            self.assertIs(ready.data["dependencies"]["redis"]["up"], False)
            client = host.client()
            wf = harness.Workflow(client, [{"id": "a", "type": "set", "with": {"x": 1}}])
            self.assertEqual(wf.run({})["status"], "succeeded")
        finally:
            self.world.servers.start("redis")
        wait_for("the host to see Redis again",
                 lambda: host.client().get("/ready").data["dependencies"]["redis"]["up"])
        self.assertEqual(host.stop(), 0)

    def test_nats_away_then_back(self):
        self.world.servers.stop("nats")
        try:
            host = self.world.host()
            client = host.client()
            self.assertIs(client.get("/ready").data["dependencies"]["nats"]["up"], False)
            wf = harness.Workflow(client, [{"id": "a", "type": "set", "with": {"x": 1}}])
            x = wf.trigger({})
            self.assertNotIn(harness.execution(client, x)["status"], FINAL)
        finally:
            self.world.servers.start("nats")
        self.assertEqual(harness.wait_execution(client, x, timeout=60)["status"], "succeeded")
        self.assertEqual(wf.run({})["status"], "succeeded")
        self.assertEqual(host.stop(), 0)

    def test_nats_away_until_the_end(self):
        self.world.servers.stop("nats")
        try:
            host = self.world.host()
            self.assertEqual(host.stop(), 0)
        finally:
            self.world.servers.start("nats")

    def test_nats_stands_still_while_starting(self):
        """Wherever the host just is: before, within or behind the handshake."""
        host, nats = self.world.host(start=False), self.world.servers.pid("nats")
        for moment_s in (0.03, 0.06, 0.09):
            host.spawn()
            time.sleep(moment_s)
            os.kill(nats, signal.SIGSTOP)
            time.sleep(2.5)  # longer than an attempt to connect
            os.kill(nats, signal.SIGCONT)
            host.wait_ready()
            host.kill()

    def test_stopped_while_idle_and_while_starting(self):
        host = self.world.host()
        self.assertEqual(host.stop(15), 0)
        said = host.log.stat().st_size
        host.spawn()
        wait_for("the log's first line", lambda: host.log.stat().st_size > said)
        self.assertEqual(host.stop(15), 0)


if __name__ == "__main__":
    harness.main()
