/* SPDX-License-Identifier: Apache-2.0 */
/* Callbacks of the connectors onto the tables (see the header). Each is one short transaction. */
#include "connector/connector_store.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "connector/connector_private.h"
#include "pg/pg_value.h"
#include "store/store_connector.h"

#include "base/base.h"

#define ARENA_BYTES      ((size_t)4 * 1024 * 1024)
#define REFRESH_EVERY_US (30 * PB_USEC_PER_SEC)
#define ALL_VERSIONS     "*"

struct connector_store {
	struct pg_pool *engine, *admin, *api;
	atomic_bool stale;
	int64_t refresh_at_us;
};

struct connector_store *connector_store_new(struct pg_pool *engine, struct pg_pool *admin,
					    struct pg_pool *api)
{
	struct connector_store *s = pb_new(struct connector_store);

	s->engine = engine;
	s->admin = admin;
	s->api = api;
	return s;
}

void connector_store_free(struct connector_store *s)
{
	free(s);
}

static enum store_connector_status stored_status(enum connector_state state)
{
	return state == CONNECTOR_ENABLED ? STORE_CONNECTOR_ENABLED : STORE_CONNECTOR_DISABLED;
}

static const struct store_connector_state *find_state(const struct store_connector_state *rows,
						      size_t n, const char *connector)
{
	for (size_t i = 0; i < n; i++) {
		if (pb_str_eq(rows[i].connector, connector))
			return &rows[i];
	}
	return NULL;
}

enum pb_status connector_store_save_state(void *arg, const char *connector,
					  enum connector_state state, struct pb_err *err)
{
	struct connector_store *s = arg;
	struct store_connector_state row = {
		.connector = connector, .version = "", .previous_version = ""};
	const struct store_connector_state *old;
	struct store_connector_state *rows;
	pb_auto_arena arena;
	int64_t revision;
	enum pb_status st;
	size_t n;

	pb_arena_init(&arena, ARENA_BYTES);
	st = store_connector_states(s->admin, &arena, &rows, &n, err);
	if (st != PB_OK)
		return st;
	old = find_state(rows, n, connector);
	if (old)
		row = *old;
	row.status = stored_status(state);
	return store_connector_set(s->admin, &row, old ? old->revision : 0, &revision, err);
}

enum pb_status connector_store_save_quarantine(void *arg, const struct connector_quarantine *q,
					       struct pb_err *err)
{
	struct connector_store *s = arg;
	struct store_quarantine row = {
		.tenant_id = q->tenant,
		.connector = q->connector,
		.version = ALL_VERSIONS,
		.operation = q->operation,
		.reason = q->reason,
		.since = q->since_us,
		.until = PG_TIME_INFINITY,
	};

	return store_quarantine_set(s->engine, &row, err);
}

enum pb_status connector_store_drop_quarantine(void *arg, const char *connector,
					       const char *operation, struct pb_uuid tenant,
					       struct pb_err *err)
{
	struct connector_store *s = arg;
	enum pb_status st =
		store_quarantine_lift(s->admin, tenant, connector, ALL_VERSIONS, operation, err);

	return st == PB_E_NOT_FOUND ? PB_OK : st;
}

/* ---- values ---- */

static const char *scope_of(struct pb_arena *a, const struct connector_kv_key *key)
{
	return pb_arena_printf(a, "%u:%s:%s", (unsigned)key->scope, key->connector, key->owner);
}

enum pb_status connector_store_kv_get(void *arg, const struct connector_kv_key *key,
				      char **ret_value, size_t *ret_n, uint64_t *ret_revision,
				      struct pb_err *err)
{
	struct connector_store *s = arg;
	struct pb_slice value;
	pb_auto_arena arena;
	int64_t revision;
	enum pb_status st;

	pb_arena_init(&arena, ARENA_BYTES);
	st = store_kv_get(s->api, key->tenant, scope_of(&arena, key), key->key, &arena, &value,
			  &revision, err);
	if (st != PB_OK && st != PB_E_NOT_FOUND)
		return st;
	*ret_value = st == PB_OK ? pb_xmemdup(value.p, value.len) : NULL;
	*ret_n = st == PB_OK ? value.len : 0;
	*ret_revision = st == PB_OK ? (uint64_t)revision : 0;
	return PB_OK;
}

enum pb_status connector_store_kv_put(void *arg, const struct connector_kv_key *key,
				      const char *value, size_t n, uint64_t revision,
				      uint64_t *ret_revision, struct pb_err *err)
{
	struct connector_store *s = arg;
	int64_t now_revision = 0;
	pb_auto_arena arena;
	const char *scope;
	enum pb_status st;

	pb_arena_init(&arena, ARENA_BYTES);
	scope = scope_of(&arena, key);
	if (value)
		st = store_kv_set(s->api, key->tenant, scope, key->key, pb_slice(value, n),
				  (int64_t)revision, 0, &now_revision, err);
	else
		st = store_kv_delete(s->api, key->tenant, scope, key->key, (int64_t)revision, err);
	*ret_revision = (uint64_t)now_revision;
	return st;
}

/* ---- what others have changed ---- */

void connector_store_stale(struct connector_store *s)
{
	atomic_store(&s->stale, true);
}

static bool load(struct connector_store *s, struct connectors *c)
{
	struct store_connector_state *states;
	struct store_quarantine *rows;
	struct connector_quarantine *list;
	pb_auto_arena arena;
	size_t n, n_rows;

	pb_arena_init(&arena, ARENA_BYTES);
	if (store_connector_states(s->engine, &arena, &states, &n, NULL) != PB_OK ||
	    store_quarantine_list(s->engine, &arena, &rows, &n_rows, NULL) != PB_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		connectors_apply_state(c, states[i].connector,
				       states[i].status == STORE_CONNECTOR_DISABLED
					       ? CONNECTOR_DISABLED
					       : CONNECTOR_ENABLED);
	list = pb_arena_calloc(&arena, n_rows + 1, sizeof(*list));
	for (size_t i = 0; list && i < n_rows; i++)
		list[i] = (struct connector_quarantine){.connector = rows[i].connector,
							.operation = rows[i].operation,
							.tenant = rows[i].tenant_id,
							.reason = rows[i].reason,
							.since_us = rows[i].since};
	if (list)
		connectors_apply_quarantines(c, list, n_rows);
	return true;
}

void connector_store_refresh(struct connector_store *s, struct connectors *c)
{
	int64_t now = pb_mono_us();

	if (!atomic_exchange(&s->stale, false) && now < s->refresh_at_us)
		return;
	if (load(s, c))
		s->refresh_at_us = now + REFRESH_EVERY_US;
	else
		atomic_store(&s->stale,
			     true); /* the database is away: tried again with the next call */
}
