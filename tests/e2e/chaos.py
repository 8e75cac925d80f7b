# SPDX-License-Identifier: Apache-2.0
"""
A chaos campaign: executions are accepted while hosts, runners, PostgreSQL, nats-server and Redis are killed in random
order; afterwards everything that was accepted must have ended as it should. Called by scripts/chaos.
Prints seed, kill list, numbers and violations; status 0 without violations, 1 with some.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

import harness
from chaos_faults import MUTANT, Faults, plan
from chaos_load import KINDS, Driver, Journal, make_workflows
from chaos_oracle import UNKNOWN_STEPS, Ledger, Oracle, percentile, recovery_times, slowest

LEASE_S = 3
DRAIN_S = 300


def arguments():
    p = argparse.ArgumentParser(prog="scripts/chaos")
    p.add_argument("--seconds", type=int, default=180, help="how long faults and load last")
    p.add_argument("--seed", type=int, default=None, help="the same seed makes the same list of faults")
    p.add_argument("--executions", type=int, default=5200)
    p.add_argument("--kills", type=int, default=66)
    p.add_argument("--mutant", action="store_true",
                   help="build a host that answers before it commits; the campaign must find that out")
    p.add_argument("--keep", metavar="DIR", help="leave journal, ledger and host logs there")
    args = p.parse_args()
    if args.seed is None:
        args.seed = int.from_bytes(os.urandom(4), "big")
        sys.argv += ["--seed", str(args.seed)]  # the program starts itself again with servers
    return args


def build_mutant():
    build = pathlib.Path(os.environ.get("PB_MUTANT_BUILD_DIR", harness.ROOT / "build-mutant"))
    targets = ["patchbay", "patchbay-runner", "patchbay-sink", "plugin_http"]
    for command in (["cmake", "-S", harness.ROOT, "-B", build, "-G", "Ninja", "-DPB_MUTANT_ACK_BEFORE_COMMIT=ON"],
                    ["ninja", "-C", build, *targets]):
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode:
            sys.exit(f"the mutant cannot be built:\n{done.stdout[-4000:]}")
    return build


class Campaign:
    def __init__(self, args):
        self.args = args
        self.world = harness.World(journal=True, lease_duration=f"{LEASE_S}s", drain_timeout="10s")
        self.hosts = [self.world.host(f"host{i}", start=i == 0) for i in range(2)]
        for host in self.hosts:
            host.wanted, host.seen_ready = host is self.hosts[0], host is self.hosts[0]
        self.workflows = make_workflows(self.hosts[0].client(), self.world.sink.url)
        self.journal = Journal(self.world.dir / "driver.journal")
        self.ledger = Ledger(self.world.sink.journal_path)
        self.faults = Faults(self.world, self.hosts, args.seed, LEASE_S)
        self.decisions, self.violations = [], []
        self.rng = random.Random(f"{args.seed} decisions")

    # ---- phases ----

    def storm(self):
        """Load and faults; the second host works along for the middle half of the time."""
        a = self.args
        driver = Driver(self.journal, self.workflows, self.hosts, a.executions, a.seconds, a.seed)
        faults = plan(a.seed, a.seconds, a.kills, MUTANT if a.mutant else None)
        quarters = [[f for f in faults if lo <= f[0] < hi] for lo, hi in
                    ((0, a.seconds / 4), (a.seconds / 4, a.seconds * 3 / 4), (a.seconds * 3 / 4, a.seconds * 2))]
        self.faults.start_watching()
        begun = time.monotonic()
        driver.start()
        for part, list_ in enumerate(quarters):
            if part == 1:
                self.hosts[1].wanted = True
                self.hosts[1].spawn()
            if part == 2:
                self.retire(self.hosts[1])
            late = time.monotonic() - begun
            self.faults.run([(at - late, name) for at, name in list_])
        driver.join(120)

    def retire(self, host):
        """SIGTERM: it drains and ends by itself."""
        with self.faults.locks[host.name]:
            host.wanted = False
            if host.alive():
                host.process.terminate()
                try:
                    host.process.wait(60 * harness.PATIENCE)
                except subprocess.TimeoutExpired:
                    self.faults.own_deaths.append(f"{host.name} did not end within 60 s of SIGTERM: {host.tail()}")
                    host.kill()
                if host.process.returncode not in (0, -9) and host.seen_ready:
                    self.faults.own_deaths.append(f"{host.name} ended its drain with {host.process.returncode}: {host.tail()}")

    def heal(self):
        self.world.servers.heal()
        harness.wait_for("the host to be ready", self.first_is_ready)
        self.healed_at = time.time()

    def first_is_ready(self):
        with contextlib.suppress(AssertionError):  # it ended for want of PostgreSQL; the watcher is about to start it again
            return self.hosts[0].ready()
        return False

    def drain(self):
        """Until nothing is live any more; what waits for a person is decided by what the ledger says."""
        deadline = time.monotonic() + DRAIN_S * harness.PATIENCE
        client = self.hosts[0].client()
        while time.monotonic() < deadline:
            if self.world.database.value("SELECT count(*) AS n FROM execution") == "0":
                break
            for row in self.world.database.rows(UNKNOWN_STEPS):
                self.decide(client, row["id"], row["step_id"])
            time.sleep(0.25)
        self.drained_s = time.time() - self.healed_at
        # what was published again after its execution had ended is taken out by the workers
        end = time.monotonic() + 150 * harness.PATIENCE  # they come again 60 s after they were handed out
        while time.monotonic() < end and self.world.servers.nats_stream().get("messages"):
            time.sleep(0.25)

    def decide(self, client, execution, step):
        called = len(self.ledger.read().calls.get((execution, step), []))
        choice = "retry" if not called else self.rng.choice(("mark_succeeded", "mark_succeeded", "retry", "fail"))
        body = {"decision": choice, **({"output": {"status": 200}} if choice == "mark_succeeded" else {})}
        answer = client.post(f"executions/{execution}/steps/{step}/decision", body)
        if answer.status == 202:
            self.decisions.append({"execution": execution, "step": step, "decision": choice, "called": called})
            self.journal.add(event="decision", execution=execution, step=step, decision=choice)
        elif answer.status not in (409, 503):
            raise AssertionError(f"a decision was answered {answer}")

    # ---- results ----

    def judge(self):
        self.journal.close()
        oracle = Oracle(self.world.database, self.world.servers, self.journal, self.ledger, self.decisions)
        violations = oracle.judge()
        once = {step for kind in KINDS.values() for step in kind["once"]}
        violations += [f"I3: a decision was wanted for {d['step']} of {d['execution']}, which may be repeated"
                       for d in self.decisions if d["step"] not in once]
        violations += [f"P3: {text}" for text in self.faults.own_deaths]
        self.violations = violations
        self.report(oracle, violations)
        return violations

    def report(self, oracle, violations):
        a, faults = self.args, self.faults
        answers = collections.Counter(f"{e['status']} {e['code'] or ''}".strip() for e in self.journal.entries
                                      if e["event"] == "answer")
        lost = sum(e["event"] == "lost" for e in self.journal.entries)
        accepting, finishing = recovery_times(oracle.executions, self.decisions, self.journal,
                                              [e for e in faults.events if e["name"] != "redis_flush"])
        first = faults.events[0]["t"] if faults.events else 0
        commit = "unknown" if not shutil.which("git") else subprocess.run(
            ["git", "-C", str(harness.ROOT), "rev-parse", "--short", "HEAD"], check=False, stdout=subprocess.PIPE,
            text=True).stdout.strip()
        print(f"seed {a.seed}  commit {commit}")
        print("faults: " + " ".join(f"{e['t'] - first:.1f}:{e['name']}@{e['target']}" for e in faults.events))
        print(f"kills {faults.kills}  " + "  ".join(
            f"{k} {v}" for k, v in sorted(collections.Counter(e["name"] for e in faults.events).items())))
        print("answers: " + "  ".join(f"{k}: {v}" for k, v in sorted(answers.items())) + f"  lost: {lost}")
        print(f"executions {len(oracle.executions)}  ended {sum(x['status'] >= 3 for x in oracle.executions)}  "
              f"cancelled {sum(x['status'] == 5 for x in oracle.executions)} of {len(oracle.cancels)} asked for  "
              f"recoveries {sum(int(x['recoveries']) for x in oracle.executions)}  calls in the ledger {self.ledger.total}  "
              f"decisions {len(self.decisions)}  starts refused {faults.refused_starts}")
        print(f"after a kill: accepting again p50 {percentile(accepting, .5):.2f} s, p99 {percentile(accepting, .99):.2f} s; "
              f"executions in flight ended p50 {percentile(finishing, .5):.2f} s, p99 {percentile(finishing, .99):.2f} s, "
              f"last {percentile(finishing, 1):.2f} s; drained {self.drained_s:.1f} s after the last")
        print(f"slowest to accept: {slowest(accepting)}; slowest to end: {slowest(finishing)}")
        print(f"violations {len(violations)}")
        for text in violations[:40]:
            print("  " + text)

    def keep(self):
        if self.args.keep:
            target = pathlib.Path(self.args.keep)
            target.mkdir(parents=True, exist_ok=True)
            for path in [*self.world.dir.glob("*.journal"), *self.world.dir.glob("*.log"),
                         *(self.world.servers.dir / "log").glob("*.log")]:
                (target / path.name).write_bytes(path.read_bytes())
            (target / "violations").write_text("\n".join(self.violations) + "\n")
            (target / "faults.json").write_text(json.dumps(self.faults.events))

    def run(self):
        try:
            self.storm()
            self.heal()
            self.drain()
            return self.judge()
        finally:
            self.faults.stop()
            self.keep()
            self.world.close()


def main():
    args = arguments()
    if args.mutant:
        harness.BUILD = pathlib.Path(os.environ.get("PB_MUTANT_BUILT") or build_mutant()).resolve()
        os.environ["PB_MUTANT_BUILT"] = str(harness.BUILD)
    if not (harness.BUILD / "bin" / "patchbay").exists():
        sys.exit(f"{harness.BUILD}/bin/patchbay is not built")
    harness.with_own_servers()
    violations = Campaign(args).run()
    if args.mutant:
        # an answer that no row stands for: none at all, none when it was looked for, or only one of a later try
        lost = [v for v in violations if v.startswith("I1") and any(
            sign in v for sign in ("has 0 rows", "and then not found", "its rows are"))]
        print("the mutant was caught" if lost else "THE MUTANT WAS NOT CAUGHT: the oracle proves nothing")
        sys.exit(0 if lost else 1)
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
