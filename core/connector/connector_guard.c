/* SPDX-License-Identifier: Apache-2.0 */
/* See connector_guard.h. All lists are short: what is on them is already something wrong. */
#include "connector/connector_guard.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/base.h"

#define DEATHS_MAX      1024
#define DEATH_MEMORY_US (10 * PB_USEC_PER_MIN)
#define STRIKES_MAX     1024
#define QUARANTINES_MAX 4096

struct death {
	uint64_t key;
	uint32_t n;
	int64_t last_us;
};

struct strikes {
	struct pb_list node;
	char *connector, *operation;
	struct pb_uuid tenant;
	int64_t at_us[CONNECTOR_GUARD_STRIKES];
};

struct quarantine {
	struct pb_list node;
	struct connector_quarantine q; /* strings owned */
};

struct disabled {
	struct pb_list node;
	char *connector;
};

struct connector_guard {
	struct pb_mutex lock;
	struct pb_list disabled, quarantines, strikes;
	size_t n_strikes, n_quarantines;
	struct death deaths[DEATHS_MAX];
	size_t n_deaths;
};

struct connector_guard *connector_guard_new(void)
{
	struct connector_guard *g = pb_new(struct connector_guard);

	pb_mutex_init(&g->lock, "connector guard", PB_LOCK_RANK(5, 60));
	pb_list_init(&g->disabled);
	pb_list_init(&g->quarantines);
	pb_list_init(&g->strikes);
	return g;
}

/* ---- enabled or not ---- */

static struct disabled *find_disabled(struct connector_guard *g, const char *connector)
{
	pb_list_foreach (n, &g->disabled) {
		struct disabled *d = pb_list_entry(n, struct disabled, node);

		if (strcmp(d->connector, connector) == 0)
			return d;
	}
	return NULL;
}

static void drop_disabled(struct disabled *d)
{
	pb_list_remove(&d->node);
	free(d->connector);
	free(d);
}

bool connector_guard_set_state(struct connector_guard *g, const char *connector,
			       enum connector_state state)
{
	struct disabled *d;
	bool change;

	pb_lock(&g->lock);
	d = find_disabled(g, connector);
	change = (d != NULL) == (state == CONNECTOR_ENABLED);
	if (change && d) {
		drop_disabled(d);
	} else if (change) {
		d = pb_new(struct disabled);
		d->connector = pb_xstrdup(connector);
		pb_list_append(&g->disabled, &d->node);
	}
	pb_unlock(&g->lock);
	return change;
}

enum connector_state connector_guard_state(struct connector_guard *g, const char *connector)
{
	enum connector_state state;

	pb_lock(&g->lock);
	state = find_disabled(g, connector) ? CONNECTOR_DISABLED : CONNECTOR_ENABLED;
	pb_unlock(&g->lock);
	return state;
}

/* ---- quarantine ---- */

static bool covers(const struct connector_quarantine *q, const char *connector,
		   const char *operation, struct pb_uuid tenant)
{
	return strcmp(q->connector, connector) == 0 &&
	       (!*q->operation || strcmp(q->operation, operation) == 0) &&
	       (pb_uuid_is_nil(q->tenant) || pb_uuid_eq(q->tenant, tenant));
}

enum connector_verdict connector_guard_check(struct connector_guard *g, const char *connector,
					     const char *operation, struct pb_uuid tenant,
					     char *reason, size_t cap)
{
	enum connector_verdict v = CONNECTOR_MAY_RUN;

	pb_lock(&g->lock);
	if (find_disabled(g, connector))
		v = CONNECTOR_MUST_WAIT;
	pb_list_foreach (n, &g->quarantines) {
		const struct connector_quarantine *q =
			&pb_list_entry(n, struct quarantine, node)->q;

		if (v == CONNECTOR_MAY_RUN && covers(q, connector, operation, tenant)) {
			(void)pb_str_copy(reason, cap, q->reason);
			v = CONNECTOR_MUST_NOT;
		}
	}
	pb_unlock(&g->lock);
	return v;
}

static bool same(const struct connector_quarantine *q, const char *connector, const char *operation,
		 struct pb_uuid tenant)
{
	return strcmp(q->connector, connector) == 0 && strcmp(q->operation, operation) == 0 &&
	       pb_uuid_eq(q->tenant, tenant);
}

static void drop_quarantine(struct connector_guard *g, struct quarantine *x)
{
	pb_list_remove(&x->node);
	free((void *)(uintptr_t)x->q.connector);
	free((void *)(uintptr_t)x->q.operation);
	free((void *)(uintptr_t)x->q.reason);
	free(x);
	g->n_quarantines--;
}

/* False when it was there already (or the table is full, which the first entry outlives). */
static bool add_quarantine(struct connector_guard *g, const struct connector_quarantine *q)
{
	struct quarantine *x;

	pb_list_foreach (n, &g->quarantines) {
		x = pb_list_entry(n, struct quarantine, node);
		if (same(&x->q, q->connector, q->operation, q->tenant)) {
			x->q.unstored = x->q.unstored && q->unstored;
			return false;
		}
	}
	if (g->n_quarantines == QUARANTINES_MAX)
		return false;
	x = pb_new(struct quarantine);
	x->q = *q;
	x->q.connector = pb_xstrdup(q->connector);
	x->q.operation = pb_xstrdup(q->operation);
	x->q.reason = pb_xstrdup(q->reason ? q->reason : "");
	pb_list_append(&g->quarantines, &x->node);
	g->n_quarantines++;
	return true;
}

void connector_guard_quarantine(struct connector_guard *g, const struct connector_quarantine *q)
{
	pb_lock(&g->lock);
	(void)add_quarantine(g, q);
	pb_unlock(&g->lock);
}

void connector_guard_stored(struct connector_guard *g, const struct connector_quarantine *q)
{
	pb_lock(&g->lock);
	pb_list_foreach (n, &g->quarantines) {
		struct quarantine *x = pb_list_entry(n, struct quarantine, node);

		if (same(&x->q, q->connector, q->operation, q->tenant))
			x->q.unstored = false;
	}
	pb_unlock(&g->lock);
}

static void drop_strikes(struct connector_guard *g, struct strikes *s)
{
	pb_list_remove(&s->node);
	free(s->connector);
	free(s->operation);
	free(s);
	g->n_strikes--;
}

bool connector_guard_lift(struct connector_guard *g, const char *connector, const char *operation,
			  struct pb_uuid tenant)
{
	bool any = false;

	pb_lock(&g->lock);
	pb_list_foreach_safe (n, &g->quarantines) {
		struct quarantine *x = pb_list_entry(n, struct quarantine, node);

		if (strcmp(x->q.connector, connector) == 0 && pb_uuid_eq(x->q.tenant, tenant) &&
		    (!*operation || strcmp(x->q.operation, operation) == 0)) {
			drop_quarantine(g, x);
			any = true;
		}
	}
	/* who is let out begins anew */
	pb_list_foreach_safe (n, &g->strikes) {
		struct strikes *s = pb_list_entry(n, struct strikes, node);

		if (strcmp(s->connector, connector) == 0 &&
		    (!*operation || strcmp(s->operation, operation) == 0) &&
		    (pb_uuid_is_nil(tenant) || pb_uuid_eq(s->tenant, tenant)))
			drop_strikes(g, s);
	}
	pb_unlock(&g->lock);
	return any;
}

size_t connector_guard_list(struct connector_guard *g, struct pb_arena *arena,
			    struct connector_quarantine **ret)
{
	struct connector_quarantine *out;
	size_t n = 0;

	pb_lock(&g->lock);
	out = pb_arena_calloc(arena, g->n_quarantines + 1, sizeof(*out));
	pb_list_foreach (node, &g->quarantines) {
		const struct connector_quarantine *q =
			&pb_list_entry(node, struct quarantine, node)->q;

		if (!out)
			break;
		out[n] = *q;
		out[n].connector = pb_arena_strdup(arena, q->connector);
		out[n].operation = pb_arena_strdup(arena, q->operation);
		out[n].reason = pb_arena_strdup(arena, q->reason);
		if (!out[n].connector || !out[n].operation || !out[n].reason)
			break;
		n++;
	}
	pb_unlock(&g->lock);
	*ret = out;
	return n;
}

/* ---- deaths ---- */

static struct death *find_death(struct connector_guard *g, uint64_t key, int64_t now_us)
{
	for (size_t i = 0; i < g->n_deaths; i++)
		if (g->deaths[i].key == key) {
			if (now_us - g->deaths[i].last_us >= DEATH_MEMORY_US)
				g->deaths[i].n = 0;
			return &g->deaths[i];
		}
	return NULL;
}

/* A free place, an old one, or the oldest. */
static struct death *room_for_death(struct connector_guard *g)
{
	struct death *oldest = &g->deaths[0];

	if (g->n_deaths < DEATHS_MAX)
		return &g->deaths[g->n_deaths++];
	for (size_t i = 1; i < g->n_deaths; i++)
		if (g->deaths[i].last_us < oldest->last_us)
			oldest = &g->deaths[i];
	return oldest;
}

uint32_t connector_guard_death(struct connector_guard *g, uint64_t key, int64_t now_us)
{
	struct death *d;
	uint32_t n;

	pb_lock(&g->lock);
	d = find_death(g, key, now_us);
	if (!d) {
		d = room_for_death(g);
		*d = (struct death){.key = key};
	}
	n = ++d->n;
	d->last_us = now_us;
	pb_unlock(&g->lock);
	return n;
}

uint32_t connector_guard_deaths(struct connector_guard *g, uint64_t key, int64_t now_us)
{
	const struct death *d;
	uint32_t n;

	pb_lock(&g->lock);
	d = find_death(g, key, now_us);
	n = d ? d->n : 0;
	pb_unlock(&g->lock);
	return n;
}

void connector_guard_forget(struct connector_guard *g, uint64_t key)
{
	pb_lock(&g->lock);
	for (size_t i = 0; i < g->n_deaths; i++)
		if (g->deaths[i].key == key) {
			g->deaths[i] = g->deaths[--g->n_deaths];
			break;
		}
	pb_unlock(&g->lock);
}

/* ---- strikes ---- */

static struct strikes *strikes_of(struct connector_guard *g, const char *connector,
				  const char *operation, struct pb_uuid tenant)
{
	struct strikes *s;

	pb_list_foreach (n, &g->strikes) {
		s = pb_list_entry(n, struct strikes, node);
		if (strcmp(s->connector, connector) == 0 && strcmp(s->operation, operation) == 0 &&
		    pb_uuid_eq(s->tenant, tenant))
			return s;
	}
	if (g->n_strikes == STRIKES_MAX)
		drop_strikes(g, pb_list_entry(g->strikes.next, struct strikes, node));
	s = pb_new(struct strikes);
	s->connector = pb_xstrdup(connector);
	s->operation = pb_xstrdup(operation);
	s->tenant = tenant;
	for (size_t i = 0; i < CONNECTOR_GUARD_STRIKES; i++)
		s->at_us[i] = INT64_MIN / 2;
	pb_list_append(&g->strikes, &s->node);
	g->n_strikes++;
	return s;
}

/* Notes the time; true when all remembered ones are inside the window. */
static bool note_strike(struct strikes *s, int64_t now_us)
{
	memmove(s->at_us, s->at_us + 1, sizeof(s->at_us) - sizeof(s->at_us[0]));
	s->at_us[CONNECTOR_GUARD_STRIKES - 1] = now_us;
	return now_us - s->at_us[0] < CONNECTOR_GUARD_WINDOW_US;
}

static size_t tenants_hit(struct connector_guard *g, const char *connector, const char *operation)
{
	size_t n_hit = 0;

	pb_list_foreach (n, &g->quarantines) {
		const struct connector_quarantine *q =
			&pb_list_entry(n, struct quarantine, node)->q;

		if (!pb_uuid_is_nil(q->tenant) && same(q, connector, operation, q->tenant))
			n_hit++;
	}
	return n_hit;
}

static void copy_out(struct pb_arena *arena, const struct connector_quarantine *q,
		     struct connector_quarantine *ret)
{
	*ret = *q;
	ret->connector = pb_arena_strdup(arena, q->connector);
	ret->operation = pb_arena_strdup(arena, q->operation);
	ret->reason = pb_arena_strdup(arena, q->reason);
	PB_ASSERT(ret->connector && ret->operation && ret->reason);
}

size_t connector_guard_strike(struct connector_guard *g, const char *connector,
			      const char *operation, struct pb_uuid tenant, const char *reason,
			      int64_t now_us, struct pb_arena *arena,
			      struct connector_quarantine ret[2])
{
	struct connector_quarantine q = {connector, operation, tenant, reason, pb_now_us(), true};
	size_t n = 0;

	pb_lock(&g->lock);
	if (note_strike(strikes_of(g, connector, operation, tenant), now_us) &&
	    add_quarantine(g, &q)) {
		copy_out(arena, &q, &ret[n++]);
		q.tenant = PB_UUID_NIL;
		if (tenants_hit(g, connector, operation) >= CONNECTOR_GUARD_TENANTS &&
		    add_quarantine(g, &q))
			copy_out(arena, &q, &ret[n++]);
	}
	pb_unlock(&g->lock);
	return n;
}

void connector_guard_free(struct connector_guard *g)
{
	if (!g)
		return;
	pb_list_foreach_safe (n, &g->disabled)
		drop_disabled(pb_list_entry(n, struct disabled, node));
	pb_list_foreach_safe (n, &g->quarantines)
		drop_quarantine(g, pb_list_entry(n, struct quarantine, node));
	pb_list_foreach_safe (n, &g->strikes)
		drop_strikes(g, pb_list_entry(n, struct strikes, node));
	pb_mutex_done(&g->lock);
	free(g);
}
