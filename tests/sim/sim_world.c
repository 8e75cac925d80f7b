/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world (see sim.h). Everything that the real shell does around the core is here in
 * small: claim, restore, commit with fencing, lease renewal, call, park, sweep. What is checked is
 * in `check_`.
 */
#include "sim_priv.h"

#include <stdarg.h>

#include "base/base.h"

static void pb_printf(2, 3) violate(struct sim_world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->violation[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->violation, sizeof(w->violation), fmt, ap);
	va_end(ap);
}

static void pb_printf(2, 3) trace(struct sim_world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->trace)
		return;
	printf("%10.3fs ", (double)w->now / 1e6);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static struct sim_event *schedule(struct sim_world *w, enum ev_kind kind, int64_t delay)
{
	PB_ASSERT(w->n_events < SIM_EVENTS_MAX);
	struct sim_event *e = &w->events[w->n_events++];

	*e = (struct sim_event){
		.at = w->now + delay, .order = w->next_order++, .kind = kind, .run = -1};
	return e;
}

static struct sim_event *schedule_for(struct sim_world *w, enum ev_kind kind, int64_t delay,
				      int slot)
{
	struct sim_event *e = schedule(w, kind, delay);

	e->run = slot;
	e->run_id = w->runs[slot].id;
	return e;
}

/* Mostly quick, sometimes slow, rarely longer than a lease. */
static int64_t some_delay(struct sim_world *w)
{
	if (w->now < FAULTS_END_US && sim_chance(w, 2))
		return (int64_t)sim_below(w, 40000000);
	if (sim_chance(w, 10))
		return (int64_t)sim_below(w, 3000000);
	return (int64_t)sim_below(w, 20000);
}

static void keep_results(struct sim_world *w, struct sim_run *run)
{
	for (uint16_t i = 0; i < w->plan.n_steps; i++) {
		struct engine_core_row row = {.status = MODEL_STEP_SUCCEEDED, .attempts = 1};

		row.port = w->step_plans[i].is_action ? ENGINE_PORT_DONE : w->eval_port[i];
		if (w->kept[i])
			engine_core_keep_step(&run->core, i, &row);
	}
}

/* ---- the oracle ---- */

/* I4, P2 and R2/R3, looked at in the moment in which a call leaves. */
static void check_call(struct sim_world *w, uint16_t step, int epoch)
{
	const struct engine_core_row *row = &w->rows[step];

	if (w->kept[step])
		violate(w, "step %u called although its result was kept", step);
	if (w->has_row[step] && model_step_status_is_final(row->status) && epoch == w->epoch)
		violate(w, "step %u called after its result was committed", step);
	if (!w->repeatable[step] && epoch == w->epoch &&
	    (!w->has_row[step] || row->status != MODEL_STEP_RUNNING))
		violate(w, "step %u is not repeatable and was called without an intent", step);
	if (epoch != w->epoch || w->plan.steps[step].join_any)
		return;
	for (uint16_t e = w->first_edge[step]; e < w->first_edge[step + 1]; e++) {
		int16_t from = w->edges[e].from;

		if (from != ENGINE_FROM_TRIGGER && w->called[from] &&
		    (!w->has_row[from] || !model_step_status_is_final(w->rows[from].status)))
			violate(w, "step %u called before step %d was committed", step, from);
	}
}

static void check_effect(struct sim_world *w, uint16_t step)
{
	w->effects[step]++;
	if (!w->repeatable[step] && w->effects[step] > w->allowed_effects[step])
		violate(w, "step %u is not repeatable and took effect %u times", step,
			w->effects[step]);
}

static void check_final(struct sim_world *w)
{
	if (!w->final) {
		violate(w, "not final at the end: status %s, due %.1fs",
			model_execution_status_name(w->status), (double)w->due_at / 1e6);
		return;
	}
	for (uint16_t i = 0; i < w->plan.n_steps; i++) {
		const struct engine_core_row *row = &w->rows[i];

		if (!w->has_row[i] || (!model_step_status_is_final(row->status) &&
				       !(w->status == MODEL_EXECUTION_CANCELLED &&
					 row->status == MODEL_STEP_OUTCOME_UNKNOWN))) {
			violate(w, "step %u is not final in a final execution", i);
			continue;
		}
		if (row->status == MODEL_STEP_SUCCEEDED && w->step_plans[i].is_action &&
		    !w->kept[i] && w->effects[i] == 0)
			violate(w, "step %u succeeded and never took effect", i);
		if (row->status == MODEL_STEP_CANCELLED && w->status != MODEL_EXECUTION_CANCELLED)
			violate(w, "step %u is cancelled, the execution is not", i);
		if (row->status == MODEL_STEP_FAILED && row->port == ENGINE_PORT_NONE &&
		    w->status == MODEL_EXECUTION_SUCCEEDED)
			violate(w, "succeeded with an unhandled failure of step %u", i);
	}
	if (w->status == MODEL_EXECUTION_CANCELLED && !w->cancelled_ever)
		violate(w, "cancelled, and nobody asked for it");
}

/* ---- the shell in small ---- */

static void do_call(struct sim_world *w, int slot, const struct engine_core_cmd *cmd)
{
	static const enum upstream_answer calm[] = {UP_OK, UP_OK, UP_OK, UP_TRANSIENT};
	static const enum upstream_answer wild[] = {UP_OK,           UP_OK,        UP_TRANSIENT,
						    UP_RATE_LIMITED, UP_PERMANENT, UP_LOST_ANSWER,
						    UP_DIED,         UP_DISABLED};
	enum upstream_answer answer = w->now < FAULTS_END_US
					      ? wild[sim_below(w, PB_ARRAY_LEN(wild))]
					      : calm[sim_below(w, PB_ARRAY_LEN(calm))];
	int64_t there = some_delay(w), back = there + 1 + some_delay(w);
	struct sim_event *e;

	w->stats->calls++;
	w->called[cmd->step] = true;
	check_call(w, cmd->step, w->runs[slot].epoch);
	trace(w, "run %d: call step %u attempt %u, upstream will %d", slot, cmd->step, cmd->attempt,
	      (int)answer);
	if (answer == UP_OK || answer == UP_LOST_ANSWER) {
		e = schedule(w, EV_CALL_EFFECT,
			     there); /* it arrives even when the host dies meanwhile */
		e->step = cmd->step;
	}
	e = schedule_for(w, EV_CALL_RESULT, back, slot);
	e->answer = (struct engine_core_event){
		.kind = answer == UP_OK ? ENGINE_EV_STEP_OK : ENGINE_EV_STEP_FAILED,
		.step = cmd->step,
		.port = ENGINE_PORT_DONE,
		.error_class = answer == UP_PERMANENT      ? MODEL_ERROR_PERMANENT
			       : answer == UP_RATE_LIMITED ? MODEL_ERROR_RATE_LIMITED
			       : answer == UP_DIED         ? MODEL_ERROR_CRASHED
							   : MODEL_ERROR_TRANSIENT,
		.effect = answer == UP_LOST_ANSWER ? MODEL_EFFECT_MAYBE : MODEL_EFFECT_NONE,
		.uncharged = answer == UP_DIED,
		.wait = answer == UP_DISABLED ? MODEL_WAIT_CONNECTOR_DISABLED : MODEL_WAIT_NONE,
		.retry_after_us = answer == UP_RATE_LIMITED ? 3000000 : 0,
	};
}

/* Pure work: what comes out was fixed with the plan, so that every evaluation agrees. */
static void do_answer(struct sim_world *w, int slot, const struct engine_core_cmd *cmd)
{
	struct sim_event *e = schedule_for(w, EV_ANSWER, (int64_t)sim_below(w, 300), slot);

	e->answer = (struct engine_core_event){
		.kind = w->eval_fails[cmd->step]          ? ENGINE_EV_STEP_FAILED
			: cmd->kind == ENGINE_CMD_PREPARE ? ENGINE_EV_PREPARED
							  : ENGINE_EV_STEP_OK,
		.step = cmd->step,
		.port = w->eval_port[cmd->step],
		.repeatable = w->repeatable[cmd->step],
		.error_class = MODEL_ERROR_INVALID_INPUT,
	};
}

static void do_commit(struct sim_world *w, int slot, const struct engine_core_cmd *cmd)
{
	struct sim_run *run = &w->runs[slot];
	struct sim_event *e = schedule_for(w, EV_COMMIT_APPLY, some_delay(w), slot);

	w->stats->commits++;
	e->commit = (struct sim_commit){.kind = cmd->kind,
					.cmd = *cmd,
					.epoch = run->epoch,
					.takes_signals = run->took_signals,
					.takes_cancel = run->core.cancelled};
	for (uint16_t i = 0; i < w->plan.n_steps; i++) {
		e->commit.written[i] = run->steps[i].written;
		e->commit.rows[i] = engine_core_stored_row(&run->core, i);
	}
	e->ok = true;
	if (w->mutant == SIM_MUTANT_ACK_BEFORE_COMMIT) {
		struct sim_event *early = schedule_for(w, EV_COMMIT_RESULT, 1, slot);

		early->ok = true;
		e->step = 1; /* no second answer */
		if (sim_chance(w, 5))
			e->ok = false; /* and now it is lost */
	}
}

static void perform(struct sim_world *w, int slot, const struct engine_core_cmds *cmds)
{
	for (uint16_t i = 0; i < cmds->n; i++) {
		const struct engine_core_cmd *cmd = &cmds->v[i];

		switch (cmd->kind) {
		case ENGINE_CMD_EVAL:
		case ENGINE_CMD_PREPARE:
			do_answer(w, slot, cmd);
			break;
		case ENGINE_CMD_CALL:
			do_call(w, slot, cmd);
			break;
		case ENGINE_CMD_CANCEL_CALL:
			break; /* this upstream answers anyway */
		case ENGINE_CMD_TIMER:
			schedule_for(w, EV_TIMER, PB_MAX(cmd->at_us - w->now, 0), slot);
			break;
		case ENGINE_CMD_CHECKPOINT:
		case ENGINE_CMD_PARK:
		case ENGINE_CMD_FINISH:
			do_commit(w, slot, cmd);
			break;
		}
	}
}

static void feed(struct sim_world *w, int slot, struct engine_core_event ev)
{
	struct sim_run *run = &w->runs[slot];
	struct engine_core_cmds *cmds = &w->cmds;

	cmds->n = 0;

	ev.now_us = w->now;
	ev.random = sim_random(w);
	ev.lease_lost = w->now >= run->lease_until;
	engine_core_event(&run->core, &ev, cmds);
	engine_core_assert_sane(&run->core);
	perform(w, slot, cmds);
	if (engine_core_is_over(&run->core)) {
		trace(w, "run %d: over%s", slot, run->core.fenced ? " (fenced)" : "");
		run->alive = false;
	}
}

/* Signals that the claim or a commit showed; they leave the database with the next commit. */
static void feed_signals(struct sim_world *w, int slot)
{
	struct sim_run *run = &w->runs[slot];

	if (w->cancel_signal && run->alive) {
		feed(w, slot, (struct engine_core_event){.kind = ENGINE_EV_CANCEL});
	}
	if (!w->decision_signal || !run->alive)
		return;
	run->took_signals = true;
	for (uint16_t i = 0; i < w->plan.n_steps && run->alive; i++) {
		if (run->steps[i].row.status == MODEL_STEP_OUTCOME_UNKNOWN)
			feed(w, slot,
			     (struct engine_core_event){.kind = ENGINE_EV_DECISION,
							.step = i,
							.decision = w->decision[i]});
	}
}

/* ---- the database and the queue ---- */

static void dispatch(struct sim_world *w)
{
	if (w->now < FAULTS_END_US && sim_chance(w, 10))
		return; /* the queue lost it */
	schedule(w, EV_DELIVER, some_delay(w));
	if (w->now < FAULTS_END_US && sim_chance(w, 15))
		schedule(w, EV_DELIVER, some_delay(w));
}

static int free_slot(struct sim_world *w)
{
	for (int i = 0; i < SIM_RUNS_MAX; i++) {
		if (!w->runs[i].alive)
			return i;
	}
	return -1;
}

/* The claim: what a worker does with a message. */
static void on_deliver(struct sim_world *w)
{
	int slot = free_slot(w);
	bool free_row = w->status == MODEL_EXECUTION_QUEUED ||
			(w->status == MODEL_EXECUTION_RUNNING && w->lease_until <= w->now);

	if (w->final || !free_row || slot < 0)
		return;
	struct sim_run *run = &w->runs[slot];

	w->stats->claims++;
	w->epoch++;
	w->status = MODEL_EXECUTION_RUNNING;
	w->lease_until = w->due_at = w->now + LEASE_US;
	*run = (struct sim_run){.alive = true,
				.id = ++w->next_run_id,
				.epoch = w->epoch,
				.lease_until = w->lease_until};
	engine_core_init(&run->core, &w->plan, run->steps);
	if (run->epoch == 1 || w->mutant != SIM_MUTANT_KEPT_ONCE)
		keep_results(w, run);
	for (uint16_t i = 0; i < w->plan.n_steps; i++) {
		if (w->has_row[i])
			engine_core_restore_step(&run->core, i, &w->rows[i]);
	}
	trace(w, "run %d: claimed, epoch %d", slot, run->epoch);
	schedule_for(w, EV_RENEW, LEASE_US / 3, slot);
	feed_signals(w, slot); /* before the start: what waits for them would park again at once */
	feed(w, slot, (struct engine_core_event){.kind = ENGINE_EV_START});
}

static void park_row(struct sim_world *w, const struct sim_commit *c)
{
	w->status = MODEL_EXECUTION_WAITING;
	w->due_at = c->cmd.at_us ? c->cmd.at_us : INT64_MAX;
	if (c->cmd.wait_reason == MODEL_WAIT_DECISION) {
		w->stats->unknowns++;
		schedule(w, EV_SIGNAL, (int64_t)sim_below(w, 20000000))->step = 1;
	}
	if (w->cancel_signal || w->decision_signal)
		w->due_at = w->now;
}

static void apply_commit(struct sim_world *w, const struct sim_commit *c)
{
	for (uint16_t i = 0; i < w->plan.n_steps; i++) {
		bool intent = c->rows[i].status == MODEL_STEP_RUNNING;

		if (!c->written[i] || (intent && w->mutant == SIM_MUTANT_NO_INTENT))
			continue;
		if (w->repeatable[i] && c->rows[i].status == MODEL_STEP_OUTCOME_UNKNOWN)
			violate(w, "step %u is repeatable and waits for a decision", i);
		w->rows[i] = c->rows[i];
		w->has_row[i] = true;
	}
	if (c->takes_signals)
		w->decision_signal = false;
	if (c->takes_cancel && w->mutant == SIM_MUTANT_CANCEL_CONSUMED)
		w->cancel_signal = false; /* and not at the end */
	if (c->kind == ENGINE_CMD_FINISH) {
		w->final = true;
		w->cancel_signal = false;
		w->status = c->cmd.status;
	} else if (c->kind == ENGINE_CMD_PARK) {
		park_row(w, c);
	}
	trace(w, "database: commit %d applied -> %s", (int)c->kind,
	      model_execution_status_name(w->status));
}

static void on_commit_apply(struct sim_world *w, const struct sim_event *e)
{
	bool fenced =
		w->final || e->commit.epoch != w->epoch || w->status != MODEL_EXECUTION_RUNNING;
	bool applies = !fenced || (w->mutant == SIM_MUTANT_NO_FENCE && !w->final);
	struct sim_event *back;

	if (!e->ok)
		return;
	if (applies)
		apply_commit(w, &e->commit);
	else
		w->stats->fenced++;
	if (e->step == 1)
		return;
	back = schedule(w, EV_COMMIT_RESULT, 1 + (int64_t)sim_below(w, 5000));
	back->run = e->run;
	back->run_id = e->run_id;
	back->ok = applies;
	back->commit.takes_signals = e->commit.takes_signals;
}

static void on_sweep(struct sim_world *w)
{
	if (!w->final)
		schedule(w, EV_SWEEP, 1000000);
	if (w->final || w->due_at > w->now || w->mutant == SIM_MUTANT_NO_SWEEPER)
		return;
	if (w->status == MODEL_EXECUTION_RUNNING || w->status == MODEL_EXECUTION_WAITING)
		w->status = MODEL_EXECUTION_QUEUED;
	w->due_at = w->now + 5000000;
	dispatch(w);
}

static void on_signal(struct sim_world *w, const struct sim_event *e)
{
	if (w->final)
		return;
	if (e->step == 0) {
		trace(w, "person: cancel");
		w->cancel_signal = w->cancelled_ever = true;
	} else {
		trace(w, "person: decides");
		w->decision_signal = true;
		w->stats->decisions++;
		for (uint16_t i = 0; i < w->plan.n_steps; i++) {
			w->decision[i] = (enum engine_decision)sim_below(w, 3);
			if (w->decision[i] == ENGINE_DECISION_MARK_SUCCEEDED && !w->effects[i])
				w->decision[i] = ENGINE_DECISION_FAIL; /* the person has looked */
			if (w->has_row[i] && w->decision[i] == ENGINE_DECISION_RETRY &&
			    w->rows[i].status == MODEL_STEP_OUTCOME_UNKNOWN)
				w->allowed_effects[i]++;
		}
	}
	if (w->status == MODEL_EXECUTION_WAITING)
		w->due_at = w->now;
}

static void on_crash(struct sim_world *w)
{
	w->stats->crashes++;
	trace(w, "crash: every run on this host is gone");
	for (int i = 0; i < SIM_RUNS_MAX; i++) {
		if (sim_chance(w, 60))
			w->runs[i].alive = false;
	}
}

static void on_freeze(struct sim_world *w)
{
	int slot = (int)sim_below(w, SIM_RUNS_MAX);

	w->stats->freezes++;
	w->runs[slot].frozen_until = w->now + (int64_t)sim_below(w, 60000000);
}

static void on_renew(struct sim_world *w, int slot)
{
	struct sim_run *run = &w->runs[slot];

	if (w->final || w->status != MODEL_EXECUTION_RUNNING || run->epoch != w->epoch) {
		feed(w, slot, (struct engine_core_event){.kind = ENGINE_EV_FENCED});
		return;
	}
	w->lease_until = w->due_at = run->lease_until = w->now + LEASE_US;
	schedule_for(w, EV_RENEW, LEASE_US / 3, slot);
	feed_signals(w, slot);
	if (run->alive)
		feed(w, slot, (struct engine_core_event){.kind = ENGINE_EV_RENEWED});
}

/* ---- the clock ---- */

static struct sim_event take_next(struct sim_world *w)
{
	int best = 0;

	for (int i = 1; i < w->n_events; i++) {
		const struct sim_event *a = &w->events[i], *b = &w->events[best];

		if (a->at < b->at || (a->at == b->at && a->order < b->order))
			best = i;
	}
	struct sim_event e = w->events[best];

	w->events[best] = w->events[--w->n_events];
	return e;
}

/* Events of a run wait while its host is frozen and vanish with it. The database is never frozen.
 */
static bool reaches_run(struct sim_world *w, struct sim_event *e)
{
	struct sim_run *run = &w->runs[e->run];

	if (!run->alive || run->id != e->run_id)
		return false;
	if (run->frozen_until <= w->now)
		return true;
	PB_ASSERT(w->n_events < SIM_EVENTS_MAX);
	e->at = run->frozen_until;
	w->events[w->n_events++] = *e;
	return false;
}

static void on_run_event(struct sim_world *w, struct sim_event *e)
{
	struct sim_run *run = &w->runs[e->run];

	switch (e->kind) {
	case EV_ANSWER:
	case EV_CALL_RESULT:
		feed(w, e->run, e->answer);
		break;
	case EV_TIMER:
		feed(w, e->run, (struct engine_core_event){.kind = ENGINE_EV_TIMER});
		break;
	case EV_RENEW:
		on_renew(w, e->run);
		break;
	case EV_COMMIT_RESULT:
		if (e->commit.takes_signals)
			run->took_signals = false;
		feed(w, e->run,
		     (struct engine_core_event){.kind = e->ok ? ENGINE_EV_COMMITTED
							      : ENGINE_EV_FENCED});
		break;
	default:
		PB_ASSERT(!"not a run event");
	}
}

static void on_event(struct sim_world *w, struct sim_event *e)
{
	switch (e->kind) {
	case EV_DELIVER:
		on_deliver(w);
		break;
	case EV_CALL_EFFECT:
		check_effect(w, e->step);
		break;
	case EV_COMMIT_APPLY:
		on_commit_apply(w, e);
		break;
	case EV_SWEEP:
		on_sweep(w);
		break;
	case EV_CRASH:
		on_crash(w);
		break;
	case EV_FREEZE:
		on_freeze(w);
		break;
	case EV_SIGNAL:
		on_signal(w, e);
		break;
	default:
		if (reaches_run(w, e))
			on_run_event(w, e);
		break;
	}
}

static void plan_faults(struct sim_world *w)
{
	for (uint64_t n = sim_below(w, 5); n > 0; n--)
		schedule(w, EV_CRASH,
			 (int64_t)sim_below(w, FAULTS_END_US / (sim_chance(w, 50) ? 1 : 100)));
	for (uint64_t n = sim_below(w, 3); n > 0; n--)
		schedule(w, EV_FREEZE, (int64_t)sim_below(w, FAULTS_END_US / 20));
	if (sim_chance(w, 20)) /* half of them early, while something still runs */
		schedule(w, EV_SIGNAL,
			 (int64_t)sim_below(w, FAULTS_END_US / (sim_chance(w, 50) ? 2 : 60)));
}

static bool has_work(const struct sim_world *w)
{
	return w->n_events > 0 && !w->violation[0] && w->now < GIVE_UP_US;
}

const char *sim_run(uint64_t seed, enum sim_mutant mutant, bool with_trace, struct sim_stats *stats)
{
	static struct sim_world world; /* large, and one schedule runs at a time */
	struct sim_world *w = &world;
	unsigned n = 0;

	memset(w, 0, sizeof(*w));
	w->rng = seed;
	w->mutant = mutant;
	w->trace = with_trace;
	w->stats = stats;
	sim_make_plan(w);
	for (uint16_t i = 0; i < w->plan.n_steps; i++)
		w->allowed_effects[i] = 1;
	w->status = MODEL_EXECUTION_QUEUED;
	w->due_at = 5000000;
	dispatch(w);
	schedule(w, EV_SWEEP, 1000000);
	plan_faults(w);
	while (has_work(w) && n++ < STEP_EVENT_MAX) {
		struct sim_event e = take_next(w);

		w->now = e.at;
		stats->events++;
		on_event(w, &e);
		if (w->final && !w->n_events)
			break;
	}
	check_final(w);
	return w->violation[0] ? w->violation : NULL;
}
