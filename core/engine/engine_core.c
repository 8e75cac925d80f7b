/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The execution state machine (see the header for its rules R1-R5). One event, one pass over the
 * steps in topological order: the surprising thing is that there is no queue of work, only states;
 * what to do next is always derived from them, so a state read back from the database continues
 * exactly like one in memory.
 */
#include "engine/engine_core.h"

#include "base/base.h"

static void emit(struct engine_core_cmds *out, struct engine_core_cmd cmd)
{
	PB_ASSERT(out->n < ENGINE_CORE_CMDS_MAX);
	out->v[out->n++] = cmd;
}

static void emit_step(struct engine_core_cmds *out, enum engine_core_cmd_kind kind, uint16_t step,
		      uint16_t attempt)
{
	emit(out, (struct engine_core_cmd){.kind = kind, .step = step, .attempt = attempt});
}

/* ---- rows ---- */

static void touch(struct engine_core *core, uint16_t i, bool must_commit)
{
	struct engine_core_step *s = &core->steps[i];

	s->dirty = true;
	s->must_commit = s->must_commit || must_commit;
}

static void set_status(struct engine_core *core, uint16_t i, enum model_step_status status,
		       enum engine_port port)
{
	struct engine_core_step *s = &core->steps[i];

	s->row.status = status;
	s->row.port = port;
	s->row.wait_reason = MODEL_WAIT_NONE;
	s->row.next_attempt_us = 0;
	s->phase = ENGINE_PHASE_IDLE;
	s->intent = false;
	touch(core, i, core->plan->steps[i].is_action && status != MODEL_STEP_SKIPPED);
}

static void fail_step(struct engine_core *core, uint16_t i)
{
	const struct engine_core_step_plan *p = &core->plan->steps[i];
	enum engine_port port = ENGINE_PORT_NONE;

	if (p->has_error_edge)
		port = ENGINE_PORT_ERROR;
	else if (p->continue_on_error)
		port = ENGINE_PORT_DONE;
	set_status(core, i, MODEL_STEP_FAILED, port);
}

static bool is_settled(const struct engine_core *core, const struct engine_core_step *s)
{
	if (s->row.status == MODEL_STEP_OUTCOME_UNKNOWN)
		return core->cancelled;
	return model_step_status_is_final(s->row.status);
}

/* Uncommitted results and intents that hold back every call (R2). */
static bool is_call_blocked(const struct engine_core *core)
{
	for (uint16_t i = 0; i < core->plan->n_steps; i++) {
		const struct engine_core_step *s = &core->steps[i];

		if (s->in_commit || (s->dirty && s->must_commit))
			return true;
	}
	return false;
}

/* ---- starting ---- */

static void begin_attempt(struct engine_core *core, uint16_t i, struct engine_core_cmds *out)
{
	struct engine_core_step *s = &core->steps[i];

	s->row.attempts++;
	s->row.status = MODEL_STEP_RUNNING;
	s->row.wait_reason = MODEL_WAIT_NONE;
	s->row.next_attempt_us = 0;
	s->intent = false;
	s->cancel_asked = false;
	if (!core->plan->steps[i].is_action) {
		s->phase = ENGINE_PHASE_EVALUATING;
		emit_step(out, ENGINE_CMD_EVAL, i, s->row.attempts);
		return;
	}
	if (!s->prepared) {
		s->phase = ENGINE_PHASE_PREPARING;
		emit_step(out, ENGINE_CMD_PREPARE, i, s->row.attempts);
		return;
	}
	s->phase = ENGINE_PHASE_READY;
	if (!s->repeatable)
		touch(core, i, true); /* R3: the row says `running` before the call leaves */
}

/* What the edges into a step say. */
enum join_verdict { JOIN_UNDECIDED, JOIN_START, JOIN_SKIP };

static enum join_verdict join_verdict(const struct engine_core *core, uint16_t i)
{
	const struct engine_core_plan *plan = core->plan;
	unsigned fired = 0, open = 0;

	for (uint16_t e = plan->first_edge[i]; e < plan->first_edge[i + 1]; e++) {
		const struct engine_core_edge *edge = &plan->edges[e];

		if (edge->from == ENGINE_FROM_TRIGGER) {
			fired++;
			continue;
		}
		const struct engine_core_step *from = &core->steps[edge->from];

		if (!is_settled(core, from))
			open++;
		else if ((int)from->row.port == (int)edge->port)
			fired++;
	}
	if (plan->steps[i].join_any && fired)
		return JOIN_START;
	if (open)
		return JOIN_UNDECIDED;
	return fired ? JOIN_START : JOIN_SKIP;
}

static void look_at_pending(struct engine_core *core, uint16_t i, struct engine_core_cmds *out)
{
	if (core->cancelled) {
		set_status(core, i, MODEL_STEP_CANCELLED, ENGINE_PORT_NONE);
		return;
	}
	switch (join_verdict(core, i)) {
	case JOIN_UNDECIDED:
		break;
	case JOIN_START:
		begin_attempt(core, i, out);
		break;
	case JOIN_SKIP:
		set_status(core, i, MODEL_STEP_SKIPPED, ENGINE_PORT_NONE);
		break;
	}
}

static void look_at_running(struct engine_core *core, uint16_t i, struct engine_core_cmds *out)
{
	struct engine_core_step *s = &core->steps[i];

	if (!core->cancelled)
		return;
	if (s->phase == ENGINE_PHASE_READY) {
		set_status(core, i, MODEL_STEP_CANCELLED, ENGINE_PORT_NONE);
	} else if (s->phase == ENGINE_PHASE_CALLING && !s->cancel_asked) {
		s->cancel_asked = true;
		emit_step(out, ENGINE_CMD_CANCEL_CALL, i, s->row.attempts);
	}
}

static void look_at_waiting(struct engine_core *core, uint16_t i, int64_t now_us, bool wake,
			    struct engine_core_cmds *out)
{
	struct engine_core_step *s = &core->steps[i];

	if (core->cancelled)
		set_status(core, i, MODEL_STEP_CANCELLED, ENGINE_PORT_NONE);
	else if (s->row.next_attempt_us <= now_us || (wake && s->row.status == MODEL_STEP_WAITING))
		begin_attempt(core, i, out);
}

static void look_at_steps(struct engine_core *core, int64_t now_us, bool wake,
			  struct engine_core_cmds *out)
{
	for (uint16_t i = 0; i < core->plan->n_steps; i++) {
		switch (core->steps[i].row.status) {
		case MODEL_STEP_PENDING:
			look_at_pending(core, i, out);
			break;
		case MODEL_STEP_RUNNING:
			look_at_running(core, i, out);
			break;
		case MODEL_STEP_RETRYING:
		case MODEL_STEP_WAITING:
			look_at_waiting(core, i, now_us, wake, out);
			break;
		default:
			break;
		}
	}
}

/* ---- calls and commits ---- */

static void start_ready_calls(struct engine_core *core, bool lease_lost,
			      struct engine_core_cmds *out)
{
	if (is_call_blocked(core))
		return;
	for (uint16_t i = 0; i < core->plan->n_steps; i++) {
		struct engine_core_step *s = &core->steps[i];

		if (s->phase != ENGINE_PHASE_READY)
			continue;
		if (lease_lost) /* R6; a renewal that is applied lets it go, one that is not fences */
			return;
		PB_ASSERT(s->repeatable || s->intent);
		s->phase = ENGINE_PHASE_CALLING;
		emit_step(out, ENGINE_CMD_CALL, i, s->row.attempts);
	}
}

static void emit_commit(struct engine_core *core, struct engine_core_cmd cmd,
			struct engine_core_cmds *out)
{
	for (uint16_t i = 0; i < core->plan->n_steps; i++) {
		struct engine_core_step *s = &core->steps[i];

		s->written = s->dirty;
		s->in_commit = s->dirty && s->must_commit;
		s->dirty = s->must_commit = false;
	}
	core->commit_in_flight = true;
	core->commit_kind = cmd.kind;
	core->ended = cmd.kind != ENGINE_CMD_CHECKPOINT;
	emit(out, cmd);
}

static void emit_finish(struct engine_core *core, struct engine_core_cmds *out)
{
	struct engine_core_cmd cmd = {
		.kind = ENGINE_CMD_FINISH, .status = MODEL_EXECUTION_SUCCEEDED, .failed_step = -1};

	for (uint16_t i = 0; i < core->plan->n_steps; i++) {
		const struct engine_core_row *row = &core->steps[i].row;

		if (row->status == MODEL_STEP_FAILED && row->port == ENGINE_PORT_NONE &&
		    cmd.failed_step < 0) {
			cmd.status = MODEL_EXECUTION_FAILED;
			cmd.failed_step = (int16_t)i;
		}
	}
	for (uint16_t i = 0; core->cancelled && i < core->plan->n_steps; i++) {
		const struct engine_core_row *row = &core->steps[i].row;

		if (row->status == MODEL_STEP_CANCELLED ||
		    row->status == MODEL_STEP_OUTCOME_UNKNOWN) {
			cmd.status = MODEL_EXECUTION_CANCELLED;
			cmd.failed_step = -1;
		}
	}
	emit_commit(core, cmd, out);
}

/* What is left when nothing is under way: which wait, and until when. */
struct idle_view {
	bool all_settled;
	bool any_active;
	bool any_must_commit;
	int64_t wake_at_us; /* 0 = nothing timed */
	enum model_wait_reason reason;
};

static void view_wait(struct idle_view *v, const struct engine_core_row *row)
{
	if (v->wake_at_us && v->wake_at_us <= row->next_attempt_us)
		return;
	v->wake_at_us = row->next_attempt_us;
	v->reason = row->wait_reason;
}

static struct idle_view view_idle(const struct engine_core *core)
{
	struct idle_view v = {.all_settled = true, .reason = MODEL_WAIT_NONE};

	for (uint16_t i = 0; i < core->plan->n_steps; i++) {
		const struct engine_core_step *s = &core->steps[i];

		v.any_must_commit = v.any_must_commit || (s->dirty && s->must_commit);
		if (is_settled(core, s))
			continue;
		v.all_settled = false;
		if (s->phase != ENGINE_PHASE_IDLE)
			v.any_active = true;
		else if (s->row.status == MODEL_STEP_RETRYING ||
			 s->row.status == MODEL_STEP_WAITING)
			view_wait(&v, &s->row);
		else if (s->row.status == MODEL_STEP_OUTCOME_UNKNOWN && !v.wake_at_us)
			v.reason = MODEL_WAIT_DECISION;
	}
	return v;
}

static void set_timer(struct engine_core *core, int64_t at_us, struct engine_core_cmds *out)
{
	if (core->timer_at_us == at_us)
		return;
	core->timer_at_us = at_us;
	emit(out, (struct engine_core_cmd){.kind = ENGINE_CMD_TIMER, .at_us = at_us});
}

static void decide_commit(struct engine_core *core, int64_t now_us, struct engine_core_cmds *out)
{
	struct idle_view v = view_idle(core);

	if (core->commit_in_flight)
		return;
	if (v.all_settled) {
		emit_finish(core, out);
		return;
	}
	bool short_wait = v.wake_at_us && v.wake_at_us - now_us <= ENGINE_CORE_MEMORY_WAIT_US;

	if (v.any_active || short_wait) {
		if (v.wake_at_us)
			set_timer(core, v.wake_at_us, out);
		if (v.any_must_commit)
			emit_commit(core, (struct engine_core_cmd){.kind = ENGINE_CMD_CHECKPOINT},
				    out);
		return;
	}
	emit_commit(core,
		    (struct engine_core_cmd){.kind = ENGINE_CMD_PARK,
					     .status = MODEL_EXECUTION_WAITING,
					     .wait_reason = v.reason,
					     .at_us = v.wake_at_us},
		    out);
}

static void advance(struct engine_core *core, const struct engine_core_event *ev,
		    struct engine_core_cmds *out)
{
	if (core->ended || !core->started)
		return;
	look_at_steps(core, ev->now_us, ev->kind == ENGINE_EV_WAKE, out);
	start_ready_calls(core, ev->lease_lost, out);
	if (!core->fenced)
		decide_commit(core, ev->now_us, out);
}

/* ---- answers ---- */

static void on_prepared(struct engine_core *core, const struct engine_core_event *ev)
{
	struct engine_core_step *s = &core->steps[ev->step];

	if (s->phase != ENGINE_PHASE_PREPARING)
		return;
	s->prepared = true;
	s->repeatable = ev->repeatable;
	s->phase = ENGINE_PHASE_READY;
	if (!s->repeatable && !core->cancelled)
		touch(core, ev->step, true);
}

static bool expects_answer(const struct engine_core_step *s)
{
	return s->phase == ENGINE_PHASE_EVALUATING || s->phase == ENGINE_PHASE_PREPARING ||
	       s->phase == ENGINE_PHASE_CALLING;
}

static void on_step_ok(struct engine_core *core, const struct engine_core_event *ev)
{
	if (expects_answer(&core->steps[ev->step]))
		set_status(core, ev->step, MODEL_STEP_SUCCEEDED, ev->port);
}

int64_t engine_core_backoff_us(const struct engine_core_retry *retry, uint16_t attempt,
			       int64_t retry_after_us, uint64_t random)
{
	int64_t wait = PB_MIN(retry->initial_us, retry->max_us);

	for (uint16_t i = 2; i < attempt && wait < retry->max_us; i++)
		wait = wait > retry->max_us / 2 ? retry->max_us : wait * 2;
	if (retry->jitter && wait > 1)
		wait = wait / 2 + (int64_t)(random % (uint64_t)(wait / 2 + 1));
	return PB_MAX(wait, retry_after_us);
}

static void park_step(struct engine_core *core, uint16_t i, enum model_step_status status,
		      enum model_wait_reason reason, int64_t until_us)
{
	set_status(core, i, status, ENGINE_PORT_NONE);
	core->steps[i].row.wait_reason = reason;
	core->steps[i].row.next_attempt_us = until_us;
}

/* A runner died and nothing had left: the same attempt goes out again, its intent still stands. */
static bool repeat_lost(struct engine_core *core, const struct engine_core_event *ev)
{
	struct engine_core_step *s = &core->steps[ev->step];

	if (!ev->uncharged || s->phase != ENGINE_PHASE_CALLING || core->cancelled ||
	    s->row.lost >= ENGINE_CORE_LOST_MAX)
		return false;
	s->row.lost++;
	s->phase = ENGINE_PHASE_READY;
	return true;
}

static void on_call_failed(struct engine_core *core, const struct engine_core_event *ev)
{
	struct engine_core_step *s = &core->steps[ev->step];
	const struct engine_core_retry *retry = &core->plan->steps[ev->step].retry;

	if (ev->effect == MODEL_EFFECT_MAYBE && !s->repeatable) {
		set_status(core, ev->step, MODEL_STEP_OUTCOME_UNKNOWN, ENGINE_PORT_NONE);
		return;
	}
	if (core->cancelled) {
		set_status(core, ev->step,
			   ev->error_class == MODEL_ERROR_CANCELLED ? MODEL_STEP_CANCELLED
								    : MODEL_STEP_FAILED,
			   ENGINE_PORT_NONE);
		return;
	}
	bool safe = s->repeatable || ev->effect == MODEL_EFFECT_NONE;

	if (!safe || !model_error_class_is_retryable(ev->error_class) ||
	    s->row.attempts >= retry->max_attempts) {
		fail_step(core, ev->step);
		return;
	}
	int64_t wait = engine_core_backoff_us(retry, (uint16_t)(s->row.attempts + 1),
					      ev->retry_after_us, ev->random);

	park_step(core, ev->step, MODEL_STEP_RETRYING,
		  ev->error_class == MODEL_ERROR_RATE_LIMITED ? MODEL_WAIT_RATE_LIMITED
							      : MODEL_WAIT_RETRY,
		  ev->now_us + wait);
}

static void on_step_failed(struct engine_core *core, const struct engine_core_event *ev)
{
	struct engine_core_step *s = &core->steps[ev->step];

	if (!expects_answer(s))
		return;
	if (ev->wait != MODEL_WAIT_NONE && !core->cancelled) {
		s->row.attempts--; /* it never began */
		park_step(core, ev->step, MODEL_STEP_WAITING, ev->wait,
			  ev->now_us + ENGINE_CORE_CONNECTOR_RECHECK_US +
				  (int64_t)(ev->random % ENGINE_CORE_CONNECTOR_RECHECK_US));
		return;
	}
	if (s->phase == ENGINE_PHASE_CALLING) {
		if (!repeat_lost(core, ev))
			on_call_failed(core, ev);
		return;
	}
	if (core->cancelled)
		set_status(core, ev->step, MODEL_STEP_CANCELLED, ENGINE_PORT_NONE);
	else
		fail_step(core, ev->step);
}

static void on_committed(struct engine_core *core)
{
	PB_ASSERT(core->commit_in_flight);
	core->commit_in_flight = false;
	for (uint16_t i = 0; i < core->plan->n_steps; i++) {
		struct engine_core_step *s = &core->steps[i];

		if (s->in_commit && s->phase == ENGINE_PHASE_READY && !s->dirty)
			s->intent = true;
		s->written = s->in_commit = false;
	}
}

static void on_decision(struct engine_core *core, const struct engine_core_event *ev)
{
	struct engine_core_step *s = &core->steps[ev->step];

	if (s->row.status != MODEL_STEP_OUTCOME_UNKNOWN || core->cancelled)
		return;
	switch (ev->decision) {
	case ENGINE_DECISION_MARK_SUCCEEDED:
		set_status(core, ev->step, MODEL_STEP_SUCCEEDED, ENGINE_PORT_DONE);
		break;
	case ENGINE_DECISION_RETRY:
		park_step(core, ev->step, MODEL_STEP_RETRYING, MODEL_WAIT_RETRY, ev->now_us);
		break;
	case ENGINE_DECISION_FAIL:
		fail_step(core, ev->step);
		break;
	}
}

void engine_core_event(struct engine_core *core, const struct engine_core_event *ev,
		       struct engine_core_cmds *out)
{
	PB_ASSERT(ev->step < core->plan->n_steps || ev->step == 0);
	if (engine_core_is_over(core))
		return;
	switch (ev->kind) {
	case ENGINE_EV_START:
		core->started = true;
		break;
	case ENGINE_EV_PREPARED:
		on_prepared(core, ev);
		break;
	case ENGINE_EV_STEP_OK:
		on_step_ok(core, ev);
		break;
	case ENGINE_EV_STEP_FAILED:
		on_step_failed(core, ev);
		break;
	case ENGINE_EV_COMMITTED:
		on_committed(core);
		break;
	case ENGINE_EV_FENCED:
		core->fenced = true;
		return;
	case ENGINE_EV_TIMER:
		core->timer_at_us = 0;
		break;
	case ENGINE_EV_CANCEL:
		core->cancelled = true;
		break;
	case ENGINE_EV_DECISION:
		on_decision(core, ev);
		break;
	case ENGINE_EV_WAKE:
	case ENGINE_EV_RENEWED:
		break;
	}
	advance(core, ev, out);
}

/* ---- setting up ---- */

void engine_core_init(struct engine_core *core, const struct engine_core_plan *plan,
		      struct engine_core_step *steps)
{
	PB_ASSERT(plan->n_steps <= ENGINE_CORE_STEPS_MAX);
	*core = (struct engine_core){.plan = plan, .steps = steps};
	for (uint16_t i = 0; i < plan->n_steps; i++)
		steps[i] = (struct engine_core_step){
			.row = {.status = MODEL_STEP_PENDING, .port = ENGINE_PORT_NONE}};
}

void engine_core_restore_step(struct engine_core *core, uint16_t step,
			      const struct engine_core_row *row)
{
	PB_ASSERT(!core->started && step < core->plan->n_steps);
	core->steps[step] = (struct engine_core_step){.row = *row};
	if (row->status == MODEL_STEP_RUNNING) /* R4 */
		set_status(core, step, MODEL_STEP_OUTCOME_UNKNOWN, ENGINE_PORT_NONE);
	else if (row->status == MODEL_STEP_WAITING)
		core->steps[step].row.next_attempt_us = 0; /* whoever claims looks at once */
}

void engine_core_keep_step(struct engine_core *core, uint16_t step,
			   const struct engine_core_row *row)
{
	PB_ASSERT(!core->started && step < core->plan->n_steps);
	PB_ASSERT(model_step_status_is_final(row->status));
	core->steps[step].row = *row;
	touch(core, step, true);
}

void engine_core_close(struct engine_core *core)
{
	PB_ASSERT(!core->started);
	for (uint16_t i = 0; i < core->plan->n_steps; i++) {
		struct engine_core_step *s = &core->steps[i];

		if (s->row.status == MODEL_STEP_RETRYING || s->row.status == MODEL_STEP_WAITING)
			set_status(core, i, MODEL_STEP_CANCELLED, ENGINE_PORT_NONE);
		s->written = s->dirty;
	}
}

struct engine_core_row engine_core_stored_row(const struct engine_core *core, uint16_t step)
{
	const struct engine_core_step *s = &core->steps[step];
	struct engine_core_row row = s->row;
	bool intent = s->prepared && !s->repeatable &&
		      (s->phase == ENGINE_PHASE_READY || s->phase == ENGINE_PHASE_CALLING);

	if (row.status != MODEL_STEP_RUNNING || intent)
		return row;
	row.status = MODEL_STEP_RETRYING;
	row.wait_reason = MODEL_WAIT_RETRY;
	row.attempts--; /* this one may never have left */
	return row;
}

bool engine_core_is_over(const struct engine_core *core)
{
	return core->fenced || (core->ended && !core->commit_in_flight);
}

void engine_core_assert_sane(const struct engine_core *core)
{
	for (uint16_t i = 0; i < core->plan->n_steps; i++) {
		const struct engine_core_step *s = &core->steps[i];
		bool running = s->row.status == MODEL_STEP_RUNNING;

		PB_ASSERT(running == (s->phase != ENGINE_PHASE_IDLE));
		PB_ASSERT(!s->written || core->commit_in_flight);
		PB_ASSERT(!s->in_commit || s->written);
		PB_ASSERT(s->phase != ENGINE_PHASE_CALLING || s->repeatable || s->intent);
		PB_ASSERT(core->plan->steps[i].is_action || s->phase != ENGINE_PHASE_CALLING);
		PB_ASSERT(s->row.port == ENGINE_PORT_NONE ||
			  s->row.status == MODEL_STEP_SUCCEEDED ||
			  s->row.status == MODEL_STEP_FAILED);
	}
	PB_ASSERT(!core->ended || core->started);
}
