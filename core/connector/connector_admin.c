/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administration. States live in the guard, which any thread may ask; what concerns runners is posted
 * to the I/O thread.
 */
#include "connector/connector_admin.h"

#include "base/clock.h"
#include "connector/connector_private.h"
#include "base/base.h"

#define LIST_BYTES ((size_t)8 << 20)

/* ---- messages to the I/O thread ---- */

struct state_msg {
	struct connector_msg msg;
	char id[104];
};

static void start_ahead(struct connectors *c, const char *id)
{
	pb_autoptr(connector_version) v = connector_registry_version(c->registry, id, NULL);
	struct connector_pool *p;

	/* third-party runners belong to a tenant: nobody to start one for yet */
	if (!v || strchr(id, '.') || connector_version_manifest(v)->n_native == 0 ||
	    !c->runner_path)
		return;
	p = connector_dispatch_pool(c, v, PB_UUID_NIL);
	p->start_failures = 0;
	p->retry_us = 0;
	if (p->n_runners == p->n_solo)
		(void)connector_runner_spawn(p, false);
}

static void on_state(struct connectors *c, struct connector_msg *msg)
{
	struct state_msg *s = pb_container_of(msg, struct state_msg, msg);

	/* the newest word counts: two changes may have crossed */
	if (connector_guard_state(c->guard, s->id) == CONNECTOR_DISABLED)
		connector_dispatch_disable(c, s->id);
	else if (!atomic_load(&c->stopping))
		start_ahead(c, s->id);
	free(s);
}

void connectors_apply_state(struct connectors *c, const char *id, enum connector_state state)
{
	struct state_msg *s;

	if (!connector_guard_set_state(c->guard, id, state))
		return;
	s = pb_new(struct state_msg);
	s->msg.fn = on_state;
	(void)pb_str_copy(s->id, sizeof(s->id), id);
	connector_post(c, &s->msg);
	if (state == CONNECTOR_ENABLED && c->cfg.ops.on_ready)
		c->cfg.ops.on_ready(c->cfg.ops.arg, id);
}

static bool is_listed(const struct connector_quarantine *list, size_t n,
		      const struct connector_quarantine *q)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].connector, q->connector) == 0 &&
		    strcmp(list[i].operation, q->operation) == 0 &&
		    pb_uuid_eq(list[i].tenant, q->tenant))
			return true;
	return false;
}

static void lift(struct connectors *c, const struct connector_quarantine *q)
{
	if (connector_guard_lift(c->guard, q->connector, q->operation, q->tenant) &&
	    c->cfg.ops.on_ready)
		c->cfg.ops.on_ready(c->cfg.ops.arg, q->connector);
}

void connectors_apply_quarantines(struct connectors *c, const struct connector_quarantine *list,
				  size_t n)
{
	struct connector_quarantine *now;
	pb_auto_arena arena;
	size_t n_now;

	pb_arena_init(&arena, LIST_BYTES);
	n_now = connector_guard_list(c->guard, &arena, &now);
	for (size_t i = 0; i < n_now; i++) {
		if (is_listed(list, n, &now[i]))
			continue;
		if (now[i].unstored)
			connector_dispatch_save(c, &now[i]);
		else if (pb_now_us() - now[i].since_us > PB_USEC_PER_MIN)
			lift(c, &now[i]);
	}
	for (size_t i = 0; i < n; i++)
		connector_guard_quarantine(c->guard, &list[i]);
}

/* ---- commands ---- */

static enum pb_status change_state(struct connectors *c, const char *id, enum connector_state state,
				   struct pb_err *err)
{
	pb_autoptr(connector_version) v = connector_registry_version(c->registry, id, NULL);
	enum pb_status st = PB_OK;

	if (!v)
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.unknown",
				  "there is no connector \"%.100s\"", id);
	if (c->cfg.ops.save_state)
		st = c->cfg.ops.save_state(c->cfg.ops.arg, id, state, err);
	if (st == PB_OK)
		connectors_apply_state(c, id, state);
	return st;
}

enum pb_status connector_admin_disable(struct connectors *c, const char *id, struct pb_err *err)
{
	return change_state(c, id, CONNECTOR_DISABLED, err);
}

enum pb_status connector_admin_enable(struct connectors *c, const char *id, struct pb_err *err)
{
	return change_state(c, id, CONNECTOR_ENABLED, err);
}

enum pb_status connector_admin_lift(struct connectors *c, const char *id, const char *operation,
				    struct pb_uuid tenant, struct pb_err *err)
{
	enum pb_status st = PB_OK;

	if (c->cfg.ops.drop_quarantine)
		st = c->cfg.ops.drop_quarantine(c->cfg.ops.arg, id, operation, tenant, err);
	if (st != PB_OK)
		return st;
	if (!connector_guard_lift(c->guard, id, operation, tenant))
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.not_quarantined",
				  "there is no such quarantine");
	if (c->cfg.ops.on_ready)
		c->cfg.ops.on_ready(c->cfg.ops.arg, id);
	return PB_OK;
}

enum pb_status connector_admin_rescan(struct connectors *c, struct pb_problems *faults,
				      struct pb_err *err)
{
	if (!c->connector_dir)
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.dir",
				  "no connector directory is set");
	return connector_registry_scan(c->registry, c->connector_dir, faults, err);
}

/* ---- lists ---- */

static bool fill_info(struct connectors *c, struct connector_version *v, struct pb_arena *arena,
		      struct connector_info *ret)
{
	const struct connector_manifest *m = connector_version_manifest(v);
	struct connector_counts *n = connector_counts_of(c, m->id);
	char start_error[sizeof(n->start_error)];

	*ret = (struct connector_info){
		.id = pb_arena_strdup(arena, m->id),
		.version = pb_arena_strdup(arena, m->version),
		.name = pb_arena_strdup(arena, m->name),
		.summary = pb_arena_strdup(arena, m->summary ? m->summary : ""),
		.state = connector_guard_state(c->guard, m->id),
		.native = m->n_native > 0,
		.n_actions = m->n_actions,
		.calls = atomic_load(&n->calls),
		.failures = atomic_load(&n->failures),
		.crashes = atomic_load(&n->crashes),
		.restarts = atomic_load(&n->restarts),
		.in_flight = atomic_load(&n->in_flight),
	};
	pb_lock(&c->counts_lock);
	(void)pb_str_copy(start_error, sizeof(start_error), n->start_error);
	pb_unlock(&c->counts_lock);
	if (*start_error)
		ret->start_error = pb_arena_strdup(arena, start_error);
	if (ret->calls)
		ret->mean_us = (int64_t)(atomic_load(&n->latency_us) / ret->calls);
	return ret->id && ret->version && ret->name && ret->summary;
}

enum pb_status connector_admin_list(struct connectors *c, struct pb_arena *arena,
				    struct connector_info **ret, size_t *ret_n, struct pb_err *err)
{
	struct connector_version **versions = NULL;
	size_t n = connector_registry_list(c->registry, &versions);
	struct connector_info *out = pb_arena_calloc(arena, n + 1, sizeof(*out));
	bool ok = out != NULL;

	for (size_t i = 0; i < n; i++) {
		ok = ok && fill_info(c, versions[i], arena, &out[i]);
		connector_version_unref(versions[i]);
	}
	free(versions);
	if (!ok)
		return pb_err_set(err, PB_E_TOO_LARGE, "connector.list", "the list is too large");
	*ret = out;
	*ret_n = n;
	return PB_OK;
}

enum pb_status connector_admin_quarantines(struct connectors *c, struct pb_arena *arena,
					   struct connector_quarantine **ret, size_t *ret_n,
					   struct pb_err *err)
{
	*ret_n = connector_guard_list(c->guard, arena, ret);
	if (!*ret)
		return pb_err_set(err, PB_E_TOO_LARGE, "connector.list", "the list is too large");
	return PB_OK;
}

/* ---- pids: asked of the I/O thread ---- */

struct pids_msg {
	struct connector_msg msg;
	struct pb_mutex lock;
	struct pb_cond cond;
	const char *id;
	int *pids;
	size_t cap, n;
	bool done;
};

static void collect_pids(struct connectors *c, struct pids_msg *q)
{
	pb_list_foreach (n, &c->pools) {
		struct connector_pool *p = pb_list_entry(n, struct connector_pool, node);

		if (q->id && strcmp(connector_version_manifest(p->version)->id, q->id) != 0)
			continue;
		pb_list_foreach (m, &p->runners) {
			if (q->n < q->cap)
				q->pids[q->n++] = pb_list_entry(m, struct connector_runner, node)
							  ->process.pid;
		}
	}
}

static void on_pids(struct connectors *c, struct connector_msg *msg)
{
	struct pids_msg *q = pb_container_of(msg, struct pids_msg, msg);

	collect_pids(c, q);
	pb_lock(&q->lock);
	q->done = true;
	pb_cond_signal(&q->cond);
	pb_unlock(&q->lock);
}

size_t connector_admin_runner_pids(struct connectors *c, const char *id, int *pids, size_t cap)
{
	struct pids_msg q = {.msg = {.fn = on_pids}, .id = id, .pids = pids, .cap = cap};

	pb_mutex_init(&q.lock, "connector pids", PB_LOCK_RANK(5, 80));
	pb_cond_init(&q.cond);
	connector_post(c, &q.msg);
	pb_lock(&q.lock);
	while (!q.done)
		pb_cond_wait(&q.cond, &q.lock);
	pb_unlock(&q.lock);
	pb_cond_done(&q.cond);
	pb_mutex_done(&q.lock);
	return q.n;
}
