/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which call runs where and when, and what becomes of calls whose runner died. Everything here is on
 * the I/O thread. A call is in exactly one place: at a gate (its connection is in use), in a pool's
 * queue, in a runner, or leaving.
 */
#include "connector/connector_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "obs/obs_metrics.h"
#include "base/base.h"

PB_LOG_TOPIC("connector.dispatch");

#define DEADLINE_SLACK_US (100 * PB_USEC_PER_MSEC)

/* ---- pools ---- */

/* Third-party ids have a dot; their runners serve one tenant each. */
static struct pb_uuid pool_tenant(const struct connector_call *call)
{
	return strchr(call->manifest->id, '.') ? call->tenant : PB_UUID_NIL;
}

struct connector_pool *connector_dispatch_pool(struct connectors *c, struct connector_version *v,
					       struct pb_uuid tenant)
{
	struct connector_pool *p;

	pb_list_foreach (n, &c->pools) {
		p = pb_list_entry(n, struct connector_pool, node);
		if (p->version == v && pb_uuid_eq(p->tenant, tenant))
			return p;
	}
	p = pb_new(struct connector_pool);
	p->owner = c;
	p->version = connector_version_ref(v);
	p->tenant = tenant;
	p->counts = connector_counts_of(c, connector_version_manifest(v)->id);
	pb_list_init(&p->runners);
	pb_list_init(&p->pending);
	pb_list_init(&p->pending_solo);
	pb_list_append(&c->pools, &p->node);
	return p;
}

/* Nothing runs, waits or may be asked for soon. */
static bool pool_is_unused(const struct connector_pool *p)
{
	return pb_list_empty(&p->runners) && pb_list_empty(&p->pending) &&
	       pb_list_empty(&p->pending_solo) && p->start_failures == 0;
}

/* ---- gates ---- */

static struct connector_gate *gate_of(struct connector_call *call)
{
	struct connectors *c = call->owner;
	struct connector_version *v = connector_action_version(call->action);
	struct pb_uuid id = connector_connection_id(call->connection);
	struct pb_list *bucket = &c->gates[pb_uuid_hash(id) % CONNECTOR_BUCKETS];
	struct connector_gate *g;

	pb_list_foreach (n, bucket) {
		g = pb_list_entry(n, struct connector_gate, node);
		if (pb_uuid_eq(g->connection, id) && g->version == v)
			return g;
	}
	g = pb_new(struct connector_gate);
	g->connection = id;
	g->version = v;
	pb_list_init(&g->waiting);
	pb_list_append(bucket, &g->node);
	return g;
}

static void queue_call(struct connector_call *call);

static void gate_leave(struct connector_call *call)
{
	struct connector_gate *g = call->gate;
	struct pb_list *next;

	call->gate = NULL;
	if (!g)
		return;
	g->running--;
	next = pb_list_pop(&g->waiting);
	if (next) {
		struct connector_call *waiter = pb_list_entry(next, struct connector_call, node);

		waiter->gate = g;
		g->running++;
		queue_call(waiter);
	} else if (g->running == 0) {
		pb_list_remove(&g->node);
		free(g);
	}
}

/* True when the call may go on now. */
static bool gate_enter(struct connector_call *call)
{
	struct connector_gate *g;

	if (!call->connection)
		return true;
	g = gate_of(call);
	if (g->running >= call->manifest->concurrency) {
		call->state = CALL_GATED;
		pb_list_append(&g->waiting, &call->node);
		return false;
	}
	call->gate = g;
	g->running++;
	return true;
}

/* ---- the end of a call ---- */

/*
 * Ends are carried out when the present event is dealt with (connector_dispatch_flush): the caller may be
 * walking any list that the call, or the next one at its gate, is on.
 */
static void end_call(struct connector_call *call, struct connector_outcome *out)
{
	struct connector_outcome o = *out;

	*out = (struct connector_outcome){0};
	PB_ASSERT(!pb_list_linked(&call->node));
	call->outcome = o;
	call->state = CALL_DONE;
	pb_list_append(&call->owner->ended, &call->node);
}

void connector_dispatch_flush(struct connectors *c)
{
	for (struct pb_list *n = pb_list_pop(&c->ended); n; n = pb_list_pop(&c->ended)) {
		struct connector_call *call = pb_list_entry(n, struct connector_call, node);
		struct connector_outcome out = call->outcome;

		call->outcome = (struct connector_outcome){0};
		pb_list_remove(&call->all);
		c->n_calls--;
		gate_leave(call);
		connector_call_finish(call, &out);
	}
}

static void end_with(struct connector_call *call, enum connector_status status, const char *code,
		     const char *msg, bool charged)
{
	struct connector_outcome out = {0};

	connector_outcome_set(&out, status, code, "%s", msg);
	out.not_charged = !charged;
	end_call(call, &out);
}

static void give_dry_output(struct connector_call *call, struct connector_outcome *out)
{
	connector_outcome_set(out, CONNECTOR_OK, NULL, "dry run");
	out->output = pb_steal(call->dry_output);
	out->output_bytes = call->dry_bytes;
}

void connector_dispatch_leave(struct connector_call *call, struct connector_outcome *out)
{
	struct connector_pool *pool = call->pool;

	call->state = CALL_LEAVING;
	call->outcome = *out;
	*out = (struct connector_outcome){0};
	if (call->n_https)
		connector_service_cancel_http(call);
	else
		connector_dispatch_left(call);
	connector_dispatch_pump(pool); /* its place is free */
}

/* The deadline or the caller ended it; what the connector says of that is not the reason. */
static void adjust_cancelled(struct connector_call *call, struct connector_outcome *out)
{
	/* the runner knows the deadline too and may say so before we do */
	bool over = call->cancel_sent || pb_mono_us() >= call->deadline_us - DEADLINE_SLACK_US;

	if (out->status == CONNECTOR_OK ||
	    (!call->cancel_sent && !call->cancelled && out->status != CONNECTOR_CANCELLED))
		return;
	if (call->cancelled) {
		connector_outcome_set(out, CONNECTOR_CANCELLED, NULL, "the call was cancelled");
	} else if (over) {
		connector_outcome_set(out, CONNECTOR_TIMEOUT, NULL, "the call took too long");
	} else {
		out->claim = PB_MAX(out->claim, (uint32_t)IPC_EFFECT_MAYBE);
		connector_outcome_set(out, CONNECTOR_INTERNAL, NULL,
				      "the connector says that it was cancelled, which it was not");
	}
}

static void redispatch(struct connector_call *call)
{
	call->restarts++;
	atomic_fetch_add(&call->counts->restarts, 1);
	obs_counter_add(call->counts->m_restarts, 1);
	queue_call(call);
}

/* May the call simply be run again? Only what died without effect, with time left. */
static bool wants_again(const struct connector_call *call, const struct connector_outcome *out)
{
	return out->died && out->status == CONNECTOR_UNAVAILABLE &&
	       call->sent != EGRESS_SENT_MAYBE && !call->cancel_sent &&
	       !atomic_load(&call->cancel_asked) && !atomic_load(&call->owner->stopping) &&
	       pb_mono_us() < call->deadline_us;
}

void connector_dispatch_left(struct connector_call *call)
{
	struct connector_outcome out = call->outcome;

	call->outcome = (struct connector_outcome){0};
	if (wants_again(call, &out)) {
		connector_outcome_done(&out);
		redispatch(call);
		return;
	}
	/* asked while the last requests were ending: there was no runner to tell */
	if (out.died && atomic_load(&call->cancel_asked))
		call->cancelled = true;
	if (out.died && out.status == CONNECTOR_UNAVAILABLE && call->sent == EGRESS_SENT_MAYBE)
		out.status = CONNECTOR_CRASHED;
	if (call->dry_output)
		give_dry_output(call, &out);
	else
		adjust_cancelled(call, &out);
	if (!out.died && (call->restarts || call->solo))
		connector_guard_forget(call->owner->guard, call->key_hash);
	end_call(call, &out);
}

/* ---- entering ---- */

/* True when the connector is closed to this call, which is then ended. */
static bool is_refused(struct connector_call *call)
{
	char reason[256] = "";

	switch (connector_guard_check(call->owner->guard, call->manifest->id, call->op->id,
				      call->tenant, reason, sizeof(reason))) {
	case CONNECTOR_MUST_WAIT:
		end_with(call, CONNECTOR_IS_DISABLED, "connector.disabled",
			 "the connector is disabled", false);
		return true;
	case CONNECTOR_MUST_NOT:
		end_with(call, CONNECTOR_QUARANTINED, "connector.quarantined", reason, false);
		return true;
	default:
		return false;
	}
}

static void queue_call(struct connector_call *call)
{
	struct connectors *c = call->owner;
	uint32_t deaths;

	if (atomic_load(&c->stopping)) {
		end_with(call, CONNECTOR_UNAVAILABLE, "connector.stopping", "the host is stopping",
			 false);
		return;
	}
	call->pool = connector_dispatch_pool(c, connector_action_version(call->action),
					     pool_tenant(call));
	if (is_refused(call))
		return;
	deaths = connector_guard_deaths(c->guard, call->key_hash, pb_mono_us());
	call->solo = deaths >= CONNECTOR_GUARD_ALONE;
	call->state = CALL_QUEUED;
	call->runner = NULL;
	pb_list_append(call->solo ? &call->pool->pending_solo : &call->pool->pending, &call->node);
	connector_dispatch_pump(call->pool);
}

void connector_dispatch_enter(struct connector_call *call)
{
	struct connectors *c = call->owner;

	pb_list_append(&c->calls, &call->all);
	c->n_calls++;
	if (call->decided) {
		end_call(call, &call->early);
		return;
	}
	if (atomic_load(&c->stopping)) {
		end_with(call, CONNECTOR_UNAVAILABLE, "connector.stopping", "the host is stopping",
			 false);
		return;
	}
	if (atomic_load(&call->cancel_asked)) {
		end_with(call, CONNECTOR_CANCELLED, NULL, "the call was cancelled", true);
		return;
	}
	if (is_refused(call))
		return;
	if (!call->op->native) {
		end_with(call, CONNECTOR_UNSUPPORTED, "connector.declarative",
			 "this host does not run declarative operations yet", true);
		return;
	}
	if (gate_enter(call))
		queue_call(call);
}

/* ---- placing ---- */

static struct connector_runner *pick_ready(struct connector_pool *p, bool solo)
{
	pb_list_foreach (n, &p->runners) {
		struct connector_runner *r = pb_list_entry(n, struct connector_runner, node);
		uint32_t max = solo ? 1 : r->owner->cfg.runner_calls_max;

		if (r->state == RUNNER_READY && r->solo == solo && r->killed == KILL_NONE &&
		    !r->closed && r->n_calls < max)
			return r;
	}
	return NULL;
}

static size_t count_starting(const struct connector_pool *p, bool solo)
{
	size_t count = 0;

	pb_list_foreach (n, &p->runners) {
		const struct connector_runner *r = pb_list_entry(n, struct connector_runner, node);

		count += r->state == RUNNER_STARTING && r->solo == solo;
	}
	return count;
}

static void fail_pending(struct pb_list *list, const struct connector_pool *p)
{
	for (struct pb_list *n = pb_list_pop(list); n; n = pb_list_pop(list)) {
		struct connector_call *call = pb_list_entry(n, struct connector_call, node);
		struct connector_outcome out = {0};

		/* why is the admin's to know: it names files and addresses of the host */
		connector_outcome_set(&out, CONNECTOR_UNAVAILABLE, "connector.runner_start",
				      "the connector does not start on this host");
		out.not_charged = true;
		out.retry_after_us = PB_MAX(p->retry_us - pb_mono_us(), INT64_C(0));
		end_call(call, &out);
	}
}

/* Sends the first pending call to @r. */
static void place(struct connector_runner *r, struct pb_list *list)
{
	struct connector_call *call = pb_list_entry(pb_list_pop(list), struct connector_call, node);

	if (call->may_leave && !call->may_leave(call->arg)) {
		end_with(call, CONNECTOR_UNAVAILABLE, CONNECTOR_WITHHELD,
			 "the call is no longer this host's to make", false);
		return;
	}
	if (!connector_runner_start_call(r, call)) { /* the runner is being killed */
		call->state = CALL_QUEUED;
		pb_list_append(list, &call->node);
	}
}

/* Places what can be placed, starts one more runner when calls are left over. */
static void pump(struct connector_pool *p, struct pb_list *pending, bool solo)
{
	size_t alive, max = solo ? CONNECTOR_SOLO_MAX : CONNECTOR_RUNNERS_MAX;
	struct connector_runner *r;

	while (!pb_list_empty(pending) && (r = pick_ready(p, solo)))
		place(r, pending);
	if (pb_list_empty(pending) || count_starting(p, solo))
		return;
	alive = solo ? p->n_solo : p->n_runners - p->n_solo;
	if (alive >= max)
		return;
	if (pb_mono_us() >= p->retry_us && connector_runner_spawn(p, solo))
		return;
	if (alive == 0)
		fail_pending(pending, p);
}

void connector_dispatch_pump(struct connector_pool *p)
{
	pump(p, &p->pending, false);
	pump(p, &p->pending_solo, true);
}

/* ---- deaths ---- */

static void strike(struct connector_call *call, const char *how)
{
	pb_auto_arena arena;
	struct connector_quarantine q[2];
	char reason[256];
	size_t n;

	pb_arena_init(&arena, 8192);
	(void)pb_str_printf(reason, sizeof(reason), "%s three times in five minutes: %s",
			    call->op->id, how);
	n = connector_guard_strike(call->owner->guard, call->manifest->id, call->op->id,
				   call->tenant, reason, pb_mono_us(), &arena, q);
	for (size_t i = 0; i < n; i++) {
		pb_log(PB_LOG_WARN, "operation quarantined",
		       PB_KV_STR("patchbay.connector", q[i].connector),
		       PB_KV_STR("operation", q[i].operation),
		       PB_KV_UUID("patchbay.tenant_id", q[i].tenant),
		       PB_KV_STR("reason", q[i].reason));
		connector_dispatch_save(call->owner, &q[i]);
	}
}

/* One call of a runner that is gone. */
static void call_died(struct connector_call *call, const struct connector_runner *r,
		      bool by_outside, const char *how)
{
	struct connector_guard *guard = call->owner->guard;
	struct connector_outcome out = {0};
	bool innocent = by_outside || r->killed == KILL_STOP ||
			(r->killed == KILL_DEADLINE && !call->culprit);

	connector_outcome_set(&out, CONNECTOR_UNAVAILABLE, "connector.runner_died", "the runner %s",
			      how);
	out.died = true;
	out.not_charged = innocent;
	if (by_outside && ++call->outside_kills >= CONNECTOR_OUTSIDE_KILLS)
		out.died = false; /* given back to the engine, which tries again later */
	if (!innocent) {
		(void)connector_guard_death(guard, call->key_hash, pb_mono_us());
		if (r->solo) {
			out.status = CONNECTOR_CRASHED;
			strike(call, how);
		}
		if (call->culprit)
			out.status = CONNECTOR_TIMEOUT;
	}
	connector_dispatch_leave(call, &out);
}

static void describe_death(const struct connector_runner *r, const struct os_exit *end, char *out,
			   size_t cap)
{
	if (r->killed == KILL_DEADLINE)
		(void)pb_str_copy(out, cap, "was killed because a call overran its deadline");
	else if (r->killed == KILL_BROKEN)
		(void)pb_str_printf(out, cap, "was killed because it broke the protocol: %s",
				    r->notice);
	else if (end->signalled)
		(void)pb_str_printf(out, cap, "died of signal %d", end->value);
	else
		(void)pb_str_printf(out, cap, "exited with code %d", end->value);
}

static void start_failed(struct connector_runner *r, const char *how)
{
	struct connector_pool *p = r->pool;
	int64_t wait_us = INT64_C(100000) << PB_MIN(p->start_failures, 7u);

	(void)pb_str_printf(p->start_error, sizeof(p->start_error), "%s",
			    r->notice[0] ? r->notice : how);
	connector_counts_set_error(p->owner, p->counts, p->start_error);
	p->start_failures++;
	p->retry_us = pb_mono_us() + PB_MIN(wait_us, 10 * PB_USEC_PER_SEC);
	pb_log(PB_LOG_ERROR, "runner does not start",
	       PB_KV_STR("patchbay.connector", connector_version_manifest(p->version)->id),
	       PB_KV_STR("reason", p->start_error));
}

void connector_dispatch_death(struct connector_runner *r, bool by_outside)
{
	struct connector_pool *p = r->pool;
	char how[200];

	describe_death(r, &r->exit, how, sizeof(how));
	if (r->state == RUNNER_STARTING) {
		if (r->killed != KILL_STOP && !(by_outside && ++p->start_kills < 5))
			start_failed(r, how);
	} else if (r->n_calls) {
		pb_log(PB_LOG_WARN, "runner died, repeating what had no effect",
		       PB_KV_STR("patchbay.connector", connector_version_manifest(p->version)->id),
		       PB_KV_STR("how", how), PB_KV_INT("calls", (int64_t)r->n_calls));
	}
	r->state = RUNNER_DEAD;
	p->n_runners--;
	p->n_solo -= r->solo;
	pb_list_remove(&r->node);
	pb_list_append(&r->owner->graves, &r->node);
	while (!pb_list_empty(&r->calls)) {
		struct connector_call *call =
			pb_list_entry(r->calls.next, struct connector_call, node);

		connector_runner_remove_call(r, call);
		call_died(call, r, by_outside, how);
	}
	connector_dispatch_pump(p);
}

/* ---- saving a quarantine is the database's business, so a worker's ---- */

struct save_job {
	struct connector_job job;
	struct pb_arena arena;
	struct connector_quarantine q;
};

static void save_run(struct connectors *c, struct connector_job *job)
{
	struct save_job *s = pb_container_of(job, struct save_job, job);
	struct pb_err err = PB_ERR_INIT;

	if (c->cfg.ops.save_quarantine(c->cfg.ops.arg, &s->q, &err) != PB_OK)
		pb_log(PB_LOG_ERROR, "quarantine not stored, it holds here, retrying",
		       PB_KV_STR("error", err.msg));
	else
		connector_guard_stored(c->guard, &s->q);
	pb_arena_done(&s->arena);
	free(s);
}

void connector_dispatch_save(struct connectors *c, const struct connector_quarantine *q)
{
	struct save_job *s;

	if (!c->cfg.ops.save_quarantine)
		return;
	s = pb_new(struct save_job);
	pb_arena_init(&s->arena, 4096);
	s->q = *q;
	s->q.connector = pb_arena_strdup(&s->arena, q->connector);
	s->q.operation = pb_arena_strdup(&s->arena, q->operation);
	s->q.reason = pb_arena_strdup(&s->arena, q->reason);
	s->job.run = save_run;
	connector_work(c, &s->job);
}

/* ---- cancelling and time ---- */

static void send_cancel(struct connector_call *call)
{
	if (call->cancel_sent)
		return;
	call->cancel_sent = true;
	(void)connector_runner_send(call->runner, IPC_CANCEL, call->id, 0, pb_slice(NULL, 0));
	connector_service_cancel_http(call);
}

/* Leaves the gate's or the pool's queue. */
static void unqueue(struct connector_call *call)
{
	if (pb_list_linked(&call->node))
		pb_list_remove(&call->node);
}

void connector_dispatch_cancel(struct connector_call *call)
{
	switch (call->state) {
	case CALL_GATED:
	case CALL_QUEUED:
		unqueue(call);
		end_with(call, CONNECTOR_CANCELLED, NULL, "the call was cancelled", true);
		break;
	case CALL_RUNNING:
		call->cancelled = true;
		call->deadline_us = PB_MIN(call->deadline_us, pb_mono_us() + CONNECTOR_CANCEL_US);
		send_cancel(call);
		break;
	default:
		break; /* NEW: seen when it enters; LEAVING, DONE: it ends anyway */
	}
}

void connector_dispatch_stop(struct connector_call *call)
{
	unqueue(call);
	end_with(call, CONNECTOR_UNAVAILABLE, "connector.stopping", "the host is stopping", false);
}

static void call_tick(struct connector_call *call, int64_t now_us)
{
	if (now_us < call->deadline_us)
		return;
	switch (call->state) {
	case CALL_GATED:
	case CALL_QUEUED:
		unqueue(call);
		end_with(call, CONNECTOR_TIMEOUT, "connector.queue_timeout",
			 "no runner was free before the deadline", false);
		break;
	case CALL_RUNNING:
		send_cancel(call);
		if (now_us >= call->deadline_us + CONNECTOR_KILL_AFTER_US &&
		    call->runner->state != RUNNER_DEAD) {
			call->culprit = true;
			connector_runner_kill(call->runner, KILL_DEADLINE);
		}
		break;
	default:
		break;
	}
}

void connector_dispatch_tick(struct connectors *c, int64_t now_us)
{
	pb_list_foreach_safe (n, &c->calls)
		call_tick(pb_list_entry(n, struct connector_call, all), now_us);
	pb_list_foreach_safe (n, &c->pools) {
		struct connector_pool *p = pb_list_entry(n, struct connector_pool, node);

		pb_list_foreach_safe (m, &p->runners)
			connector_runner_tick(pb_list_entry(m, struct connector_runner, node),
					      now_us);
		if (p->start_failures && now_us > p->retry_us + PB_USEC_PER_MIN)
			p->start_failures = 0;
		if (pool_is_unused(p)) {
			pb_list_remove(&p->node);
			connector_version_unref(p->version);
			free(p);
		}
	}
}

void connector_dispatch_disable(struct connectors *c, const char *id)
{
	pb_list_foreach_safe (n, &c->pools) {
		struct connector_pool *p = pb_list_entry(n, struct connector_pool, node);
		struct pb_list waiting;

		if (strcmp(connector_version_manifest(p->version)->id, id) != 0)
			continue;
		pb_list_init(&waiting);
		pb_list_splice(&waiting, &p->pending);
		pb_list_splice(&waiting, &p->pending_solo);
		for (struct pb_list *w = pb_list_pop(&waiting); w; w = pb_list_pop(&waiting))
			end_with(pb_list_entry(w, struct connector_call, node),
				 CONNECTOR_IS_DISABLED, "connector.disabled",
				 "the connector is disabled", false);
		pb_list_foreach_safe (m, &p->runners)
			connector_runner_drain(pb_list_entry(m, struct connector_runner, node));
	}
}
