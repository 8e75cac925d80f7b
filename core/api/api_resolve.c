/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening connections (see the header). The surprising thing: forgetting raises an epoch, and what was read from the
 * database under an older epoch is used once but not kept; else a slow reader could put back what a notice had
 * just dropped.
 */
#include "api/api_resolve.h"

#include "base/clock.h"
#include "base/lock.h"
#include "connector/connector.h"
#include "crypto/crypto_secret.h"
#include "store/store_connection.h"
#include "vault/vault.h"

#include "base/base.h"

#define RESOLVE_MAGIC   0x52534c56u
#define ROW_ARENA_BYTES ((size_t)1024 * 1024)
#define WAYS            4 /* places one name may be kept in */

struct entry {
	struct pb_uuid tenant;
	char name[STORE_CONNECTION_NAME_MAX + 1];
	int64_t until_us;
	struct connector_connection *connection; /* reference; NULL: free */
};

struct api_resolve {
	uint32_t magic;
	struct api_resolve_cfg cfg;
	struct pb_mutex lock; /* over the next two */
	uint64_t epoch;
	struct entry entries[API_RESOLVE_MAX];
};

_Static_assert(API_RESOLVE_MAX % WAYS == 0, "whole sets");

struct api_resolve *api_resolve_new(const struct api_resolve_cfg *cfg)
{
	struct api_resolve *r = pb_new(struct api_resolve);

	r->magic = RESOLVE_MAGIC;
	r->cfg = *cfg;
	pb_mutex_init(&r->lock, "api.resolve", PB_LOCK_RANK(7, 60));
	return r;
}

void api_resolve_free(struct api_resolve *r)
{
	if (!r)
		return;
	api_resolve_forget(r, PB_UUID_NIL);
	pb_mutex_done(&r->lock);
	r->magic = 0;
	free(r);
}

/* ---- the cache ---- */

static struct entry *set_of(struct api_resolve *r, struct pb_uuid tenant, const char *name)
{
	uint64_t h = pb_uuid_hash(tenant);

	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211); /* FNV-1a */
	return &r->entries[h % (API_RESOLVE_MAX / WAYS) * WAYS];
}

static bool is_entry(const struct entry *e, struct pb_uuid tenant, const char *name)
{
	return e->connection && pb_uuid_eq(e->tenant, tenant) && strcmp(e->name, name) == 0;
}

/* A reference, or NULL. *ret_epoch is for cache_put(). */
static struct connector_connection *cache_get(struct api_resolve *r, struct pb_uuid tenant,
					      const char *name, uint64_t *ret_epoch)
{
	struct entry *set = set_of(r, tenant, name);
	struct connector_connection *found = NULL;
	int64_t now = pb_mono_us();

	pb_lock(&r->lock);
	*ret_epoch = r->epoch;
	for (size_t i = 0; i < WAYS && !found; i++)
		if (is_entry(&set[i], tenant, name) && set[i].until_us > now)
			found = connector_connection_ref(set[i].connection);
	pb_unlock(&r->lock);
	return found;
}

/* The place of the same name, a free one, or the oldest. */
static struct entry *choose(struct entry *set, struct pb_uuid tenant, const char *name)
{
	struct entry *best = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (is_entry(&set[i], tenant, name))
			return &set[i];
		if (best->connection && (!set[i].connection || set[i].until_us < best->until_us))
			best = &set[i];
	}
	return best;
}

static void cache_put(struct api_resolve *r, struct pb_uuid tenant, const char *name,
		      struct connector_connection *connection, uint64_t epoch)
{
	struct connector_connection *old = NULL;
	struct entry *e;

	if (strlen(name) >= sizeof(e->name))
		return;
	pb_lock(&r->lock);
	if (r->epoch == epoch) {
		e = choose(set_of(r, tenant, name), tenant, name);
		old = e->connection;
		e->tenant = tenant;
		(void)pb_str_copy(e->name, sizeof(e->name), name); /* it fits */
		e->until_us = pb_mono_us() + API_RESOLVE_AGE_US;
		e->connection = connector_connection_ref(connection);
	}
	pb_unlock(&r->lock);
	connector_connection_unref(old);
}

void api_resolve_forget(struct api_resolve *r, struct pb_uuid id)
{
	bool all = pb_uuid_is_nil(id);

	PB_CHECK_MAGIC(r, RESOLVE_MAGIC);
	pb_lock(&r->lock);
	r->epoch++;
	pb_unlock(&r->lock);
	for (size_t i = 0; i < API_RESOLVE_MAX; i++) {
		struct entry *e = &r->entries[i];
		struct connector_connection *old = NULL;

		/* one by one: the last reference wipes, and that is not done under the lock */
		pb_lock(&r->lock);
		if (e->connection &&
		    (all || pb_uuid_eq(connector_connection_id(e->connection), id)))
			old = pb_steal(e->connection);
		pb_unlock(&r->lock);
		connector_connection_unref(old);
	}
}

/* ---- the database ---- */

/* @name is an id or a name; an id that is nobody's may still be somebody's name. */
static enum pb_status find_row(struct api_resolve *r, struct pb_uuid tenant, const char *name,
			       struct pb_arena *arena, struct store_connection *ret,
			       struct pb_err *err)
{
	enum pb_status st = PB_E_NOT_FOUND;
	struct pb_uuid id;

	if (pb_uuid_parse(name, strlen(name), &id))
		st = store_connection_get(r->cfg.api_pool, tenant, id, arena, ret, err);
	if (st == PB_E_NOT_FOUND)
		st = store_connection_get_by_name(r->cfg.api_pool, tenant, name, arena, ret, err);
	return st;
}

enum pb_status api_resolve_open(struct vault *vault, const struct store_connection *row,
				struct connector_connection **ret, struct pb_err *err)
{
	const struct vault_place place = {"connection", "secrets", row->tenant, row->id,
					  row->secret_revision};
	struct crypto_secret *secrets = NULL;
	enum pb_status st = PB_OK;

	if (row->secrets_n)
		st = vault_open(vault, &place, row->secrets, row->secrets_n, &secrets, err);
	if (st != PB_OK)
		return st;
	return connector_connection_new(row->id, row->connector, row->auth_type, row->fields,
					secrets, ret, err);
}

enum pb_status api_resolve_connection(void *arg, struct pb_uuid tenant, const char *name,
				      struct connector_connection **ret, struct pb_err *err)
{
	struct api_resolve *r = arg;
	struct connector_connection *found;
	struct store_connection row;
	pb_auto_arena arena;
	uint64_t epoch;
	enum pb_status st;

	PB_CHECK_MAGIC(r, RESOLVE_MAGIC);
	pb_arena_init(&arena, ROW_ARENA_BYTES);
	found = cache_get(r, tenant, name, &epoch);
	if (found) {
		*ret = found;
		return PB_OK;
	}
	st = find_row(r, tenant, name, &arena, &row, err);
	if (st == PB_OK)
		st = api_resolve_open(r->cfg.vault, &row, &found, err);
	if (st != PB_OK)
		return st;
	cache_put(r, tenant, name, found, epoch);
	*ret = found;
	return PB_OK;
}

enum pb_status api_resolve_check(void *arg, struct pb_uuid tenant, const char *name,
				 const char *connector, struct pb_err *err)
{
	struct api_resolve *r = arg;
	struct store_connection row;
	pb_auto_arena arena;
	enum pb_status st;

	PB_CHECK_MAGIC(r, RESOLVE_MAGIC);
	pb_arena_init(&arena, ROW_ARENA_BYTES);
	st = find_row(r, tenant, name, &arena, &row, err);
	if (st != PB_OK || pb_str_eq(row.connector, connector))
		return st;
	return pb_err_set(err, PB_E_UNPROCESSABLE, "connection.wrong_connector",
			  "the connection is one of %.64s, not of %.64s", row.connector, connector);
}
