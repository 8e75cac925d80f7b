# SPDX-License-Identifier: Apache-2.0
"""
The chaos campaign's killer: a list of faults made from the seed, performed at its times, each undone by itself. Also
what systemd would do: a host that ended is started again, and one that ended without having been killed is reported.
"""
import contextlib
import os
import random
import signal
import threading
import time

import harness

# name: (weight, is it a kill, what it hits)
FAULTS = {
    "host_kill": (26, True, "host"),
    "host_kill_twice": (4, True, "host"),
    "host_pause": (4, False, "host"),
    "runner_kill": (22, True, "runner"),
    "nats_kill": (9, True, "nats"),
    "nats_wipe": (7, True, "nats"),
    "redis_kill": (7, True, "redis"),
    "redis_flush": (6, False, "redis"),
    "pg_fast": (5, True, "postgres"),
    "pg_immediate": (4, True, "postgres"),
    "pg_kill": (2, True, "postgres"),
    "pg_backend": (4, True, "postgres"),
}
MUTANT = ("pg_fast", "host_kill", "pg_immediate", "host_kill")
AT_ONCE = 0.15  # of the faults come together with the one before


def plan(seed, seconds, kills, names=None):
    """[(second, name)]: exactly @kills kills and whatever else falls between, at exponential distances."""
    rng = random.Random(f"{seed} faults")
    chosen, n = [], 0
    while n < kills:
        name = names[len(chosen) % len(names)] if names else rng.choices(list(FAULTS), [f[0] for f in FAULTS.values()])[0]
        chosen.append(name)
        n += FAULTS[name][1] * (2 if name == "host_kill_twice" else 1)
    at, times = 0.0, []
    for _ in chosen:
        at += 0.0 if rng.random() < AT_ONCE else rng.expovariate(1.0)
        times.append(at)
    scale = (seconds * 0.95) / (times[-1] + 1.0)
    return [(1.0 + t * scale, name) for t, name in zip(times, chosen)]


class Faults:
    def __init__(self, world, hosts, seed, lease_s):
        self.world, self.hosts, self.lease_s = world, hosts, lease_s
        self.rng = random.Random(f"{seed} targets")
        self.locks = {name: threading.RLock() for name in (*harness.SERVERS, *(h.name for h in hosts))}
        self.events = []       # what was done: {"name", "target", "t", "healed"}
        self.own_deaths = []   # hosts that ended without having been killed
        self.refused_starts = 0
        self.kills = 0
        self.threads = []
        self.stopping = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)

    # ---- hosts ----

    def start_watching(self):
        self.watcher.start()

    def _watch(self):
        """Starts a wanted host again after it ended by itself."""
        while not self.stopping.is_set():
            for host in self.hosts:
                if self.locks[host.name].acquire(blocking=False):
                    try:
                        self._look_after(host)
                    finally:
                        self.locks[host.name].release()
            time.sleep(0.05)

    def _look_after(self, host):
        if not host.wanted or host.process is None or host.process.poll() is None:
            return
        status = host.process.returncode
        if status < 0:
            self.own_deaths.append(f"{host.name} died of signal {-status}: {host.tail(1500)}")
        elif host.seen_ready:
            self.own_deaths.append(f"{host.name} ended with status {status}: {host.tail(1500)}")
        else:
            self.refused_starts += 1
            time.sleep(0.2)
        self._spawn(host)

    def _spawn(self, host):
        host.seen_ready = False
        host.spawn()
        threading.Thread(target=self._mark_ready, args=(host, host.process), daemon=True).start()

    def _mark_ready(self, host, process):
        while process.poll() is None and not self.stopping.is_set():
            with contextlib.suppress(AssertionError):
                if host.process is process and host.ready():
                    host.seen_ready = True
                    return
            time.sleep(0.05)

    def _kill_host(self, host):
        host.wanted = True
        if host.alive():
            host.process.kill()
        host.process.wait()
        self.kills += 1

    def host_kill(self, times=1):
        host = self.rng.choice([h for h in self.hosts if h.wanted])
        pause = [self.rng.uniform(0, 0.4) for _ in range(times)]
        with self.locks[host.name]:
            with self._event("host_kill", host.name):
                for p in pause:
                    self._kill_host(host)
                    time.sleep(p)
                    self._spawn(host)

    def host_kill_twice(self):
        self.host_kill(2)

    def host_pause(self):
        """Longer than a lease: what it goes on with afterwards must be fenced."""
        host = self.rng.choice([h for h in self.hosts if h.wanted])
        with self.locks[host.name]:
            if host.alive():
                with self._event("host_pause", host.name):
                    os.kill(host.process.pid, signal.SIGSTOP)
                    time.sleep(self.lease_s * 1.4)
                    os.kill(host.process.pid, signal.SIGCONT)

    def runner_kill(self):
        host = self.rng.choice([h for h in self.hosts if h.wanted])
        runners = host.runners() if host.alive() else []
        if runners:
            with self._event("runner_kill", host.name):
                harness.kill9(self.rng.choice(runners))
                self.kills += 1

    # ---- servers ----

    def _restart(self, name, event, sig=signal.SIGKILL, down_s=0.5, meanwhile=None):
        pause = self.rng.uniform(0.05, down_s)
        with self.locks[name], self._event(event, name):
            self.world.servers.end(name, sig)
            self.kills += 1
            if meanwhile:
                meanwhile()
            time.sleep(pause)
            self.world.servers.start(name)

    def nats_kill(self):
        self._restart("nats", "nats_kill")

    def nats_wipe(self):
        self._restart("nats", "nats_wipe", meanwhile=self.world.servers.wipe_nats_store)

    def redis_kill(self):
        self._restart("redis", "redis_kill")

    def redis_flush(self):
        with self.locks["redis"], self._event("redis_flush", "redis"):
            self.world.servers.redis("FLUSHALL")

    def pg_fast(self):
        self._restart("postgres", "pg_fast", signal.SIGINT, 1.0)

    def pg_immediate(self):
        self._restart("postgres", "pg_immediate", signal.SIGQUIT, 1.0)

    def pg_kill(self):
        self._restart("postgres", "pg_kill")

    def pg_backend(self):
        """kill -9 of one backend: PostgreSQL ends all connections and recovers by itself."""
        with self.locks["postgres"]:
            backends = harness.children_of(self.world.servers.pid("postgres"))
            if backends:
                with self._event("pg_backend", "postgres"):
                    harness.kill9(self.rng.choice(backends))
                    self.kills += 1
                    harness.wait_for("PostgreSQL to recover", lambda: self.world.servers.is_up("postgres"), 60)

    # ---- the campaign ----

    @contextlib.contextmanager
    def _event(self, name, target):
        event = {"name": name, "target": target, "t": time.time(), "healed": None}
        self.events.append(event)
        yield
        event["healed"] = time.time()

    def run(self, faults):
        """Performs @faults; returns when the last has been done. An exception in one of them is raised here."""
        begun, errors = time.monotonic(), []

        def perform(name):
            try:
                getattr(self, name)()
            except BaseException as e:  # pylint: disable=broad-except
                errors.append(e)
        for at, name in faults:
            wait = begun + at - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            thread = threading.Thread(target=perform, args=(name,), daemon=True)
            thread.start()
            self.threads.append(thread)
        for thread in self.threads:
            thread.join(120)
        if errors:
            raise errors[0]

    def stop(self):
        self.stopping.set()
        self.watcher.join(10)
