# SPDX-License-Identifier: Apache-2.0
"""
The judge of a chaos campaign. It believes the driver's journal, the sink's ledger and PostgreSQL, never the host:

I1  every key that was answered with an execution has exactly that one row, and it has ended as it should
I2  a key whose answers were lost has at most one row; a key that was only refused has none
I3  an (execution, step) has one idempotency key in the ledger; a step that succeeded was called; one that may happen
    once only was called once, unless somebody decided to repeat it
I4  after a step has finished nothing calls for it any more
I5  no step is called before the steps it follows have finished
I6  no row is stuck, no signal is left over that came before the end, the stream is empty
I7  only what somebody wanted to cancel is cancelled; a step that finished after its cancel was answered is followed by
    none, and nothing is called long after it
"""
import collections
import json

from chaos_load import KINDS

SLACK_S = 0.005  # two processes write down the time of one moment
CANCEL_S = 10    # a holder that the database was taken from learns of a cancel when its lease is over
SUCCEEDED, FAILED, CANCELLED = 3, 4, 5
STEP_SUCCEEDED, STEP_FINAL = 4, (4, 5, 6, 7)

EXECUTIONS = """
    SELECT id, status, recoveries, extract(epoch FROM created_at) AS created, extract(epoch FROM finished_at) AS finished,
           convert_from(trigger_data, 'UTF8')::json #>> '{body,key}' AS key,
           convert_from(trigger_data, 'UTF8')::json #>> '{body,kind}' AS kind
    FROM (SELECT id, status, recoveries, created_at, finished_at, trigger_data FROM execution_history
          UNION ALL SELECT id, status, recoveries, created_at, NULL, trigger_data FROM execution) AS x"""
STEPS = """
    SELECT execution_id, step_id, status, attempt, extract(epoch FROM finished_at) AS finished FROM step_run"""
SIGNALS = """
    SELECT g.execution_id, extract(epoch FROM h.finished_at) AS finished
    FROM execution_signal g LEFT JOIN execution_history h ON h.tenant_id = g.tenant_id AND h.id = g.execution_id"""
UNKNOWN_STEPS = """
    SELECT e.tenant_id, e.id, s.step_id FROM execution e JOIN step_run s ON s.tenant_id = e.tenant_id AND s.execution_id = e.id
    WHERE e.status = 2 AND e.wait_reason = 7 AND s.status = 8 AND e.signals = 0"""


def parse_time(text):
    import datetime
    return datetime.datetime.fromisoformat(text).timestamp()


class Ledger:
    """The sink's journal, read on as it grows."""

    def __init__(self, path):
        self.path, self.offset = path, 0
        self.calls = collections.defaultdict(list)  # (execution, step): [{"at", "key", "status"}]
        self.total = 0

    def read(self):
        with open(self.path, "rb") as f:
            f.seek(self.offset)
            text = f.read()
        text = text[:text.rfind(b"\n") + 1]
        self.offset += len(text)
        for line in text.splitlines():
            r = json.loads(line)
            if not r["path"].startswith("/led/"):
                continue
            body = json.loads(r["body"])
            self.calls[(body["execution"], body["step"])].append(
                {"at": parse_time(r["at"]), "key": r["idempotency_key"], "status": r["status"]})
            self.total += 1
        return self


class Oracle:
    def __init__(self, database, servers, journal, ledger, decisions):
        self.servers, self.journal, self.decisions = servers, journal, decisions
        self.database = database
        self.ledger = ledger.read().calls
        self.executions = database.rows(EXECUTIONS)
        self.by_key = collections.defaultdict(list)
        for x in self.executions:
            x["status"] = int(x["status"])
            self.by_key[x["key"]].append(x)
        self.steps = collections.defaultdict(dict)
        for s in database.rows(STEPS):
            self.steps[s["execution_id"]][s["step_id"]] = {
                "status": int(s["status"]), "finished": float(s["finished"]) if s["finished"] else None}
        self.violations = []
        self.cancels = {}  # execution: when its cancel was accepted; None: nobody knows whether it was

    def blame(self, rule, text):
        self.violations.append(f"{rule}: {text}")

    def judge(self):
        self.check_journal()
        for x in self.executions:
            self.check_execution(x)
        self.check_ledger()
        self.check_rest()
        return self.violations

    # ---- I1, I2 ----

    def check_journal(self):
        kinds, answers = {}, collections.defaultdict(list)
        for e in self.journal.entries:
            if e["event"] == "sent":
                kinds[e["key"]] = e["kind"]
            elif e["event"] in ("answer", "lost", "broken"):
                answers[e["key"]].append(e)
            elif e["event"] == "cancel":
                self.cancels[e["execution"]] = None
            elif e["event"] == "cancel_answer" and e["status"] == 202:
                self.cancels[e["execution"]] = e["t"]
            elif e["event"] == "cancel_answer" and (e["status"], e["code"]) != (409, "execution.final") and e["status"] != 503:
                self.blame("I7", f"the cancel of {e['execution']} was answered {e['status']} {e['code']}")
            elif e["event"] == "look" and e["status"] == 404:
                self.blame("I1", f"{e['key']}: execution {e['execution']} was accepted and then not found")
        for key, kind in kinds.items():
            self.check_key(key, kind, answers[key])
        for key in set(self.by_key) - set(kinds):
            self.blame("I2", f"{self.by_key[key][0]['id']} was never asked for ({key})")

    def check_key(self, key, kind, answers):
        rows = self.by_key.get(key, [])
        accepted = [a for a in answers if a.get("execution")]
        ids = {a["execution"] for a in accepted} - {"result"}
        unsure = len(answers) == 0 or any(
            a["event"] != "answer" or a["code"] == "engine.outcome_unknown" or a["status"] in (500, 504) for a in answers)
        if any(a["event"] == "broken" for a in answers):
            self.blame("I1", f"{key}: an answer that cannot be read: {answers}")
        if accepted and len(rows) != 1:
            self.blame("I1", f"{key} ({kind}) was answered {accepted[0]['status']} at {accepted[0]['t']:.3f} and has "
                             f"{len(rows)} rows")
        if not accepted and unsure and len(rows) > 1:
            self.blame("I2", f"{key} ({kind}) got no answer and has {len(rows)} rows")
        if not accepted and not unsure and rows:
            self.blame("I2", f"{key} ({kind}) was refused with {answers[-1]['status']} {answers[-1]['code']} and has "
                             f"{len(rows)} rows")
        if ids and ids != {r["id"] for r in rows}:
            self.blame("I1", f"{key} was answered {sorted(ids)}, its rows are {[r['id'] for r in rows]}")
        for a in answers:
            if a["event"] == "answer" and a["status"] not in (200, 202, 429, 500, 503, 504):
                self.blame("I1", f"{key}: answered {a['status']} {a['code']}")

    def check_execution(self, x):
        name = f"{x['key']} ({x['kind']}) {x['id']}"
        decided_fail = any(d["execution"] == x["id"] and d["decision"] == "fail" for d in self.decisions)
        wanted = FAILED if decided_fail else SUCCEEDED
        if x["status"] != wanted and not (x["status"] == CANCELLED and x["id"] in self.cancels):
            self.blame("I1", f"{name} has status {x['status']}, not {wanted}: "
                             f"{self.database.value(self._error_sql(x['id']))}")
        if x["status"] == SUCCEEDED:
            for step in KINDS[x["kind"]]["steps"]:
                if self.steps[x["id"]].get(step, {}).get("status") != STEP_SUCCEEDED:
                    self.blame("I1", f"{name} succeeded, its step {step} is {self.steps[x['id']].get(step)}")
        for step, s in self.steps[x["id"]].items():
            if s["status"] not in STEP_FINAL:
                self.blame("I6", f"{name} has ended, its step {step} has status {s['status']}")

    @staticmethod
    def _error_sql(execution_id):
        return f"SELECT convert_from(error, 'UTF8') AS e FROM execution_history WHERE id = '{execution_id}'"

    # ---- I3, I4, I5 ----

    def check_ledger(self):
        kinds = {x["id"]: x["kind"] for x in self.executions}
        for (execution, step), calls in self.ledger.items():
            name = f"{execution} {kinds.get(execution)} {step}"
            if execution not in kinds:
                self.blame("I3", f"{name} was called and has no row")
                continue
            self.check_calls(name, execution, step, KINDS[kinds[execution]], calls)
        for x in self.executions:
            for step in KINDS[x["kind"]]["steps"]:
                if self.steps[x["id"]].get(step, {}).get("status") == STEP_SUCCEEDED and (x["id"], step) not in self.ledger:
                    self.blame("I3", f"{x['id']} {x['kind']} {step} has succeeded and was never called")
            for before, after in KINDS[x["kind"]]["order"]:
                self.check_order(x, before, after)

    def check_calls(self, name, execution, step, kind, calls):
        keys = {c["key"] for c in calls}
        if len(keys) != 1 or None in keys:
            self.blame("I3", f"{name} has {len(keys)} idempotency keys: {keys}")
        if step in kind["once"]:
            repeats = sum(d["execution"] == execution and d["step"] == step and d["decision"] == "retry"
                          for d in self.decisions)
            if len(calls) > 1 + repeats:
                self.blame("I3", f"{name} may happen once, happened {len(calls)} times, {repeats} wanted: {calls}")
        cancelled = self.cancels.get(execution)
        for c in calls:
            if cancelled and c["at"] > cancelled + CANCEL_S:
                self.blame("I7", f"{name} was called {c['at'] - cancelled:.3f} s after its cancel was answered")
        finished = self.steps[execution].get(step, {}).get("finished")
        if finished and self.steps[execution][step]["status"] == STEP_SUCCEEDED:
            for c in calls:
                if c["at"] > finished + SLACK_S and not self._decided(execution, step):
                    self.blame("I4", f"{name} was called {c['at'] - finished:.3f} s after it had finished")

    def _decided(self, execution, step):
        return any(d["execution"] == execution and d["step"] == step for d in self.decisions)

    def check_order(self, x, before, after):
        calls = self.ledger.get((x["id"], after))
        finished = self.steps[x["id"]].get(before, {}).get("finished")
        if not calls or self._decided(x["id"], before):
            return
        if finished and finished > (self.cancels.get(x["id"]) or finished) + SLACK_S:
            self.blame("I7", f"{x['id']} {x['kind']}: {before} finished after the cancel was answered, {after} was called")
        if not finished or calls[0]["at"] < finished - SLACK_S:
            self.blame("I5", f"{x['id']} {x['kind']}: {after} was called at {calls[0]['at']:.3f}, "
                             f"{before} finished at {finished}")

    # ---- I6 ----

    def check_signal(self, execution, finished):
        """One that met the end of its execution stays for an hour. It was not there yet when the end began."""
        answered = [e["t"] for e in self.journal.entries if e.get("execution") == execution and (
            e["event"] == "decision" or (e["event"] == "cancel_answer" and e["status"] == 202))]
        if execution not in self.cancels and not answered:
            self.blame("I6", f"{execution} has a signal that nobody sent")
        elif answered and finished > max(answered) + SLACK_S:
            self.blame("I6", f"{execution} ended {finished - max(answered):.3f} s after its last signal and left it")

    def check_rest(self):
        stuck = self.database.rows("SELECT id, status, wait_reason, due_at FROM execution LIMIT 20")
        for row in stuck:
            self.blame("I6", f"{row['id']} is stuck: {row}")
        for row in self.database.rows(SIGNALS):
            self.check_signal(row["execution_id"], float(row["finished"] or "inf"))
        left = self.servers.nats_stream().get("messages")
        if left:
            self.blame("I6", f"{left} messages are left in the stream")


def percentile(measured, share):
    """of [(value, label)]"""
    values = sorted(v for v, _ in measured)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def slowest(measured, n=4):
    """the @n worst labels with their worst value"""
    worst = {}
    for value, label in measured:
        worst[label] = max(value, worst.get(label, 0.0))
    return " ".join(f"{label} {value:.1f} s" for label, value in sorted(worst.items(), key=lambda w: -w[1])[:n])


def recovery_times(executions, decisions, journal, events):
    """After each kill: [(seconds until a request was accepted again, event)], [(seconds until one in flight ended, event)]"""
    decided = {d["execution"] for d in decisions}
    ok = sorted(e["t"] for e in journal.entries if e["event"] == "answer" and e["status"] in (200, 202))
    spans = [(float(x["created"]), float(x["finished"])) for x in executions if x["finished"] and x["id"] not in decided]
    accepting, finishing = [], []
    for event in events:
        label = f"{event['name']}@{event['t'] - events[0]['t']:.1f}"
        later = next((t for t in ok if t > event["t"]), None)
        if later:
            accepting.append((later - event["t"], label))
        finishing += [(end - event["t"], label) for begin, end in spans if begin < event["t"] < end]
    return accepting, finishing
