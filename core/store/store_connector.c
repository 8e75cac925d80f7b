/* SPDX-License-Identifier: Apache-2.0 */
/* Connector versions, quarantine and the small values connectors keep. */
#include "store/store_connector.h"
#include "store/store_private.h"
#include "base/base.h"

/* ---- state -------------------------------------------------------------------------------------- */

static const struct pg_stmt states_stmt = {
	.name = "store_connector_states",
	.sql = "SELECT connector, version, previous_version, status, granted, revision, updated_at"
	       " FROM connector_state ORDER BY connector",
};

enum pb_status store_connector_states(struct pg_pool *pool, struct pb_arena *arena,
				      struct store_connector_state **ret, size_t *ret_n,
				      struct pb_err *err)
{
	pb_autoptr(pg_result) res = NULL;
	struct store_connector_state *list;
	enum pb_status st = pg_query(pool, NULL, &states_stmt, NULL, &res, err);

	if (st)
		return st;

	list = pb_arena_calloc(arena, (size_t)pg_rows(res) + 1, sizeof(*list));
	for (int i = 0; list && i < pg_rows(res); i++) {
		list[i].connector = pg_get_text(res, i, 0, arena);
		list[i].version = pg_get_text(res, i, 1, arena);
		list[i].previous_version = pg_get_text(res, i, 2, arena);
		list[i].status = (enum store_connector_status)pg_get_i16(res, i, 3);
		list[i].granted = pg_get_bytes(res, i, 4, arena);
		list[i].revision = pg_get_i64(res, i, 5);
		list[i].updated_at = pg_get_time(res, i, 6);
	}
	st = store_arena_check(arena, err);
	if (st)
		return st;
	*ret = list;
	*ret_n = (size_t)pg_rows(res);
	return PB_OK;
}

enum pb_status store_connector_set(struct pg_pool *pool, const struct store_connector_state *s,
				   int64_t if_revision, int64_t *ret_revision, struct pb_err *err)
{
	static const struct pg_stmt insert = {
		.name = "store_connector_insert",
		.sql = "INSERT INTO connector_state (connector, version, previous_version, status, "
		       "granted)"
		       " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING revision"};
	static const struct pg_stmt update = {
		.name = "store_connector_update",
		.sql = "UPDATE connector_state SET version = $2, previous_version = $3, status = "
		       "$4,"
		       " granted = $5, revision = revision + 1, updated_at = now()"
		       " WHERE connector = $1 AND revision = $6 RETURNING revision"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	pg_arg_text(&args, s->connector);
	pg_arg_text(&args, s->version);
	pg_arg_text(&args, s->previous_version ? s->previous_version : "");
	pg_arg_i16(&args, (int16_t)s->status);
	pg_arg_bytes(&args, s->granted.p, s->granted.len);
	if (if_revision)
		pg_arg_i64(&args, if_revision);
	st = pg_query(pool, NULL, if_revision ? &update : &insert, &args, &res, err);
	if (st)
		return st;
	if (pg_rows(res) == 0)
		return pb_err_set(err, PB_E_PRECONDITION, "connector.changed",
				  "somebody else has changed this connector: look again");
	*ret_revision = pg_get_i64(res, 0, 0);
	return PB_OK;
}

/* ---- quarantine --------------------------------------------------------------------------------- */

enum pb_status store_quarantine_list(struct pg_pool *pool, struct pb_arena *arena,
				     struct store_quarantine **ret, size_t *ret_n,
				     struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_quarantine_list",
		.sql = "SELECT tenant_id, connector, version, operation, reason, since, until"
		       " FROM connector_quarantine WHERE until > now() ORDER BY connector, "
		       "tenant_id"};
	pb_autoptr(pg_result) res = NULL;
	struct store_quarantine *list;
	enum pb_status st = pg_query(pool, NULL, &stmt, NULL, &res, err);

	if (st)
		return st;

	list = pb_arena_calloc(arena, (size_t)pg_rows(res) + 1, sizeof(*list));
	for (int i = 0; list && i < pg_rows(res); i++) {
		list[i].tenant_id = pg_get_uuid(res, i, 0);
		list[i].connector = pg_get_text(res, i, 1, arena);
		list[i].version = pg_get_text(res, i, 2, arena);
		list[i].operation = pg_get_text(res, i, 3, arena);
		list[i].reason = pg_get_text(res, i, 4, arena);
		list[i].since = pg_get_time(res, i, 5);
		list[i].until = pg_get_time(res, i, 6);
	}
	st = store_arena_check(arena, err);
	if (st)
		return st;
	*ret = list;
	*ret_n = (size_t)pg_rows(res);
	return PB_OK;
}

enum pb_status store_quarantine_set(struct pg_pool *pool, const struct store_quarantine *q,
				    struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_quarantine_set",
		.sql = "INSERT INTO connector_quarantine (tenant_id, connector, version, "
		       "operation, reason,"
		       " until) VALUES ($1, $2, $3, $4, $5, $6)"
		       " ON CONFLICT (tenant_id, connector, version, operation) DO UPDATE SET"
		       " reason = EXCLUDED.reason, since = now(), until = EXCLUDED.until"};
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_uuid(&args, q->tenant_id);
	pg_arg_text(&args, q->connector);
	pg_arg_text(&args, q->version);
	pg_arg_text(&args, q->operation ? q->operation : "");
	pg_arg_text(&args, q->reason);
	pg_arg_time(&args, q->until);
	return pg_query(pool, NULL, &stmt, &args, NULL, err);
}

enum pb_status store_quarantine_lift(struct pg_pool *pool, struct pb_uuid tenant_id,
				     const char *connector, const char *version,
				     const char *operation, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_quarantine_lift",
		.sql = "DELETE FROM connector_quarantine WHERE tenant_id = $1 AND connector = $2"
		       " AND version = $3 AND operation = $4 RETURNING 1"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_text(&args, connector);
	pg_arg_text(&args, version);
	pg_arg_text(&args, operation ? operation : "");
	st = pg_query(pool, NULL, &stmt, &args, &res, err);
	if (st)
		return st;
	if (pg_rows(res) == 0)
		return pb_err_set(err, PB_E_NOT_FOUND, "connector.not_quarantined",
				  "there is no such quarantine");
	return PB_OK;
}

/* ---- key and value ------------------------------------------------------------------------------ */

static enum pb_status kv_check(const char *scope, const char *key, struct pb_slice value,
			       struct pb_err *err)
{
	size_t n_key = strlen(key), n_scope = strlen(scope);

	if (n_key == 0 || n_key > STORE_KV_KEY_BYTES || n_scope == 0 ||
	    n_scope > STORE_KV_KEY_BYTES || !pb_utf8_valid(key, n_key))
		return pb_err_set(err, PB_E_INVALID, "kv.key", "a key has 1 to %d bytes of UTF-8",
				  STORE_KV_KEY_BYTES);
	if (value.len > STORE_KV_VALUE_BYTES)
		return pb_err_set(err, PB_E_TOO_LARGE, "kv.too_large",
				  "a value has at most %d bytes", STORE_KV_VALUE_BYTES);
	return PB_OK;
}

static void kv_args(struct pg_args *args, struct pb_uuid tenant_id, const char *scope,
		    const char *key)
{
	pg_arg_uuid(args, tenant_id);
	pg_arg_text(args, scope);
	pg_arg_text(args, key);
}

enum pb_status store_kv_get(struct pg_pool *pool, struct pb_uuid tenant_id, const char *scope,
			    const char *key, struct pb_arena *arena, struct pb_slice *ret_value,
			    int64_t *ret_revision, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_kv_get",
		.sql = "SELECT value, revision FROM connector_kv WHERE tenant_id = $1 AND scope = "
		       "$2"
		       " AND key = $3 AND (expires_at IS NULL OR expires_at > now())"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st = kv_check(scope, key, pb_slice(NULL, 0), err);

	if (st)
		return st;
	kv_args(&args, tenant_id, scope, key);
	st = pg_query(pool, &tenant_id, &stmt, &args, &res, err);
	if (st)
		return st;
	if (pg_rows(res) == 0)
		return pb_err_set(err, PB_E_NOT_FOUND, "kv.not_found", "there is no such value");
	*ret_value = pg_get_bytes(res, 0, 0, arena);
	*ret_revision = pg_get_i64(res, 0, 1);
	return store_arena_check(arena, err);
}

static enum pb_status kv_changed(struct pb_err *err)
{
	return pb_err_set(err, PB_E_PRECONDITION, "kv.changed",
			  "the value was changed by somebody else");
}

#define KV_SET                                                                                     \
	"value = EXCLUDED.value, revision = EXCLUDED.revision, expires_at = EXCLUDED.expires_at,"  \
	" updated_at = now()"
#define KV_INSERT                                                                                  \
	"INSERT INTO connector_kv AS k (tenant_id, scope, key, value, expires_at, revision)"       \
	" VALUES ($1, $2, $3, $4, $5, nextval('connector_kv_revision'))"                           \
	" ON CONFLICT (tenant_id, scope, key) DO UPDATE SET " KV_SET

/* An expired value counts as absent. */
static const struct pg_stmt kv_any = {.name = "store_kv_set",
				      .sql = KV_INSERT " RETURNING revision"};
static const struct pg_stmt kv_absent = {.name = "store_kv_set_absent",
					 .sql = KV_INSERT
					 " WHERE k.expires_at <= now() RETURNING revision"};
static const struct pg_stmt kv_match = {
	.name = "store_kv_set_match",
	.sql = "UPDATE connector_kv SET value = $4, expires_at = $5, updated_at = now(),"
	       " revision = nextval('connector_kv_revision') WHERE tenant_id = $1 AND scope = $2"
	       " AND key = $3 AND revision = $6 AND (expires_at IS NULL OR expires_at > now())"
	       " RETURNING revision"};

enum pb_status store_kv_set(struct pg_pool *pool, struct pb_uuid tenant_id, const char *scope,
			    const char *key, struct pb_slice value, int64_t if_revision,
			    int64_t expires_at, int64_t *ret_revision, struct pb_err *err)
{
	const struct pg_stmt *stmt = if_revision < 0    ? &kv_any
				     : if_revision == 0 ? &kv_absent
							: &kv_match;
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st = kv_check(scope, key, value, err);

	if (st)
		return st;
	kv_args(&args, tenant_id, scope, key);
	pg_arg_bytes(&args, value.p ? value.p : "", value.len);
	pg_arg_time_or_null(&args, expires_at);
	if (if_revision > 0)
		pg_arg_i64(&args, if_revision);
	st = pg_query(pool, &tenant_id, stmt, &args, &res, err);
	if (st)
		return st;
	if (pg_rows(res) == 0)
		return kv_changed(err);
	*ret_revision = pg_get_i64(res, 0, 0);
	return PB_OK;
}

enum pb_status store_kv_delete(struct pg_pool *pool, struct pb_uuid tenant_id, const char *scope,
			       const char *key, int64_t if_revision, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_kv_delete",
		.sql = "DELETE FROM connector_kv WHERE tenant_id = $1 AND scope = $2 AND key = $3"
		       " AND ($4 < 0 OR revision = $4) RETURNING 1"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st = kv_check(scope, key, pb_slice(NULL, 0), err);

	if (st)
		return st;
	kv_args(&args, tenant_id, scope, key);
	pg_arg_i64(&args, if_revision);
	st = pg_query(pool, &tenant_id, &stmt, &args, &res, err);
	if (st)
		return st;
	return if_revision >= 0 && pg_rows(res) == 0 ? kv_changed(err) : PB_OK;
}
