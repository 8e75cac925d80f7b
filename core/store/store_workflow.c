/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflows and versions. A change is one short transaction: the row (with its revision checked), the new
 * version, the hook, and the row as it is now.
 */
#include "store/store_workflow.h"
#include "store/store_private.h"
#include "store/store_workflow_private.h"
#include "base/base.h"

#define LIST_MAX 200

/* Everything of a workflow; with its latest definition where @definition says so. */
#define COLS(definition)                                                                           \
	"w.id, w.name, w.active, w.latest_version, w.published_version, w.revision,"               \
	" w.trigger_type, w.created_at, w.updated_at, w.created_by, " definition

static const struct pg_stmt get_stmt = {
	.name = "store_workflow_get",
	.sql = "SELECT " COLS(
		"v.definition") " FROM workflow w JOIN workflow_version v ON"
				" v.tenant_id = w.tenant_id AND v.workflow_id = w.id AND v.version "
				"= w.latest_version"
				" WHERE w.tenant_id = $1 AND w.id = $2 AND w.deleted_at IS NULL",
};

static void workflow_read(const struct pg_result *res, int row, struct pb_arena *arena,
			  struct store_workflow *w)
{
	w->id = pg_get_uuid(res, row, 0);
	w->name = pg_get_text(res, row, 1, arena);
	w->active = pg_get_bool(res, row, 2);
	w->latest_version = pg_get_i32(res, row, 3);
	w->published_version = pg_get_i32(res, row, 4);
	w->revision = pg_get_i64(res, row, 5);
	w->trigger_type = pg_get_text(res, row, 6, arena);
	w->created_at = pg_get_time(res, row, 7);
	w->updated_at = pg_get_time(res, row, 8);
	w->created_by = pg_get_uuid(res, row, 9);
	w->definition = pg_get_bytes(res, row, 10, arena);
}

enum pb_status store_workflow_not_found(struct pb_err *err)
{
	return pb_err_set(err, PB_E_NOT_FOUND, "workflow.not_found", "there is no such workflow");
}

static void id_args(struct pg_args *args, struct pb_uuid tenant_id, struct pb_uuid id)
{
	pg_arg_uuid(args, tenant_id);
	pg_arg_uuid(args, id);
}

static enum pb_status one_read(const struct pg_result *res, struct pb_arena *arena,
			       struct store_workflow **ret, struct pb_err *err)
{
	struct store_workflow *w;
	enum pb_status st;

	if (pg_rows(res) == 0)
		return store_workflow_not_found(err);
	w = pb_arena_calloc(arena, 1, sizeof(*w));
	if (w)
		workflow_read(res, 0, arena, w);
	st = store_arena_check(arena, err);
	if (st)
		return st;
	*ret = w;
	return PB_OK;
}

/* Ends @tx with the row as it is now. */
static enum pb_status last_get(struct pg_tx *tx, struct pb_uuid tenant_id, struct pb_uuid id,
			       struct pb_arena *arena, struct store_workflow **ret,
			       struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	id_args(&args, tenant_id, id);
	st = pg_tx_query(tx, &get_stmt, &args, &res, err);
	if (st == PB_OK)
		st = pg_tx_commit(tx, err);
	return st ? st : one_read(res, arena, ret, err);
}

/* ---- create and update -------------------------------------------------------------------------- */

static enum pb_status save_check(const struct store_workflow_save *s, struct pb_err *err)
{
	if (s->name.len == 0 || s->name.len > STORE_NAME_BYTES ||
	    !pb_utf8_valid(s->name.p, s->name.len) || memchr(s->name.p, 0, s->name.len))
		return pb_err_set(err, PB_E_INVALID, "workflow.name",
				  "the name must have 1 to %d bytes of UTF-8 text",
				  STORE_NAME_BYTES);
	if (s->definition.len > STORE_DEFINITION_BYTES)
		return pb_err_set(err, PB_E_TOO_LARGE, "workflow.too_large",
				  "a definition has at most %d bytes", STORE_DEFINITION_BYTES);
	return PB_OK;
}

static enum pb_status version_insert(struct pg_tx *tx, struct pb_uuid tenant_id, struct pb_uuid id,
				     int32_t version, const struct store_workflow_save *s,
				     struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_workflow_version",
		.sql = "INSERT INTO workflow_version (tenant_id, workflow_id, version, definition,"
		       " trigger_type, created_by) VALUES ($1, $2, $3, $4, $5, $6)"};
	pg_auto_args args = PG_ARGS_INIT;

	id_args(&args, tenant_id, id);
	pg_arg_i32(&args, version);
	pg_arg_bytes(&args, s->definition.p ? s->definition.p : "", s->definition.len);
	pg_arg_textn(&args, s->trigger_type.p ? s->trigger_type.p : "", s->trigger_type.len);
	pg_arg_uuid_or_null(&args, &s->actor);
	return pg_tx_query(tx, &stmt, &args, NULL, err);
}

enum pb_status store_workflow_create(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				     struct pb_uuid id, const struct store_workflow_save *save,
				     bool active, struct pb_arena *arena,
				     struct store_workflow **ret, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_workflow_create",
		.sql = "INSERT INTO workflow (tenant_id, id, name, active, published_version, "
		       "trigger_type,"
		       " published_trigger, created_by) VALUES ($1, $2, $3, $4 AND $5,"
		       " CASE WHEN $5 THEN 1 ELSE 0 END, $6, CASE WHEN $5 THEN $6 ELSE '' END, "
		       "$7)"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_tx) tx = NULL;
	enum pb_status st = save_check(save, err);

	if (st)
		return st;
	id_args(&args, tenant_id, id);
	pg_arg_textn(&args, save->name.p, save->name.len);
	pg_arg_bool(&args, active);
	pg_arg_bool(&args, save->publish);
	pg_arg_textn(&args, save->trigger_type.p ? save->trigger_type.p : "",
		     save->trigger_type.len);
	pg_arg_uuid_or_null(&args, &save->actor);
	st = pg_tx_begin(api_pool, &tenant_id, &tx, err);
	if (st)
		return st;
	st = pg_tx_query(tx, &stmt, &args, NULL, err);
	if (st == PB_E_CONFLICT)
		return pb_err_set(err, PB_E_CONFLICT, "workflow.exists",
				  "a workflow with this id exists");
	if (st == PB_OK)
		st = version_insert(tx, tenant_id, id, 1, save, err);
	if (st == PB_OK && save->hook)
		st = store_hook_put(tx, tenant_id, id, save->hook, err);
	return st ? st : last_get(tx, tenant_id, id, arena, ret, err);
}

/* No row was changed: is it gone, or has somebody else changed it? */
static enum pb_status why_not(struct pg_tx *tx, struct pb_uuid tenant_id, struct pb_uuid id,
			      struct pb_err *err)
{
	static const struct pg_stmt stmt = {.name = "store_workflow_exists",
					    .sql = "SELECT 1 FROM workflow WHERE tenant_id = $1 "
						   "AND id = $2 AND deleted_at IS NULL"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	id_args(&args, tenant_id, id);
	st = pg_tx_query(tx, &stmt, &args, &res, err);
	if (st)
		return st;
	if (pg_rows(res) == 0)
		return store_workflow_not_found(err);
	return pb_err_set(err, PB_E_PRECONDITION, "workflow.changed",
			  "the workflow was changed by somebody else: load it again");
}

/* The statement of a change: $1 tenant, $2 id, $3 revision or 0. Fails when no row came back. */
static enum pb_status change(struct pg_tx *tx, const struct pg_stmt *stmt,
			     const struct pg_args *args, struct pb_uuid tenant_id,
			     struct pb_uuid id, struct pg_result **ret, struct pb_err *err)
{
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st = pg_tx_query(tx, stmt, args, &res, err);

	if (st)
		return st;
	if (pg_rows(res) == 0)
		return why_not(tx, tenant_id, id, err);
	if (ret)
		*ret = pb_steal(res);
	return PB_OK;
}

#define MATCH                                                                                      \
	" WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL AND ($3 = 0 OR revision = $3)"
#define TOUCH "revision = revision + 1, updated_at = now()"

enum pb_status store_workflow_update(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				     struct pb_uuid id, int64_t if_revision,
				     const struct store_workflow_save *save, struct pb_arena *arena,
				     struct store_workflow **ret, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_workflow_update",
		.sql = "UPDATE workflow SET name = $4, latest_version = latest_version + 1,"
		       " trigger_type = $5,"
		       " published_version = CASE WHEN $6 THEN latest_version + 1 ELSE "
		       "published_version END,"
		       " published_trigger = CASE WHEN $6 THEN $5 ELSE published_trigger "
		       "END, " TOUCH MATCH " RETURNING latest_version"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	pb_autoptr(pg_tx) tx = NULL;
	enum pb_status st = save_check(save, err);

	if (st)
		return st;
	id_args(&args, tenant_id, id);
	pg_arg_i64(&args, if_revision);
	pg_arg_textn(&args, save->name.p, save->name.len);
	pg_arg_textn(&args, save->trigger_type.p ? save->trigger_type.p : "",
		     save->trigger_type.len);
	pg_arg_bool(&args, save->publish);
	st = pg_tx_begin(api_pool, &tenant_id, &tx, err);
	if (st == PB_OK)
		st = change(tx, &stmt, &args, tenant_id, id, &res, err);
	if (st == PB_OK)
		st = version_insert(tx, tenant_id, id, pg_get_i32(res, 0, 0), save, err);
	if (st == PB_OK && (save->hook || save->remove_hook))
		st = store_hook_remove(tx, tenant_id, id, err);
	if (st == PB_OK && save->hook)
		st = store_hook_put(tx, tenant_id, id, save->hook, err);
	else if (st == PB_OK)
		st = store_hook_follow(tx, tenant_id, id, err);
	return st ? st : last_get(tx, tenant_id, id, arena, ret, err);
}

/* ---- switch, publish, delete -------------------------------------------------------------------- */

enum pb_status store_workflow_set_active(struct pg_pool *api_pool, struct pb_uuid tenant_id,
					 struct pb_uuid id, int64_t if_revision, bool active,
					 struct pb_arena *arena, struct store_workflow **ret,
					 struct pb_err *err)
{
	static const struct pg_stmt stmt = {.name = "store_workflow_set_active",
					    .sql = "UPDATE workflow SET active = $4, " TOUCH MATCH
						   " RETURNING published_version"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	pb_autoptr(pg_tx) tx = NULL;
	enum pb_status st;

	id_args(&args, tenant_id, id);
	pg_arg_i64(&args, if_revision);
	pg_arg_bool(&args, active);
	st = pg_tx_begin(api_pool, &tenant_id, &tx, err);
	if (st == PB_OK)
		st = change(tx, &stmt, &args, tenant_id, id, &res, err);
	if (st == PB_OK && active && pg_get_i32(res, 0, 0) == 0)
		return pb_err_set(err, PB_E_UNPROCESSABLE, "workflow.not_published",
				  "publish a version before switching the workflow on");
	if (st == PB_OK)
		st = store_hook_follow(tx, tenant_id, id, err);
	return st ? st : last_get(tx, tenant_id, id, arena, ret, err);
}

enum pb_status store_workflow_publish(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				      struct pb_uuid id, int64_t if_revision, int32_t version,
				      struct pb_arena *arena, struct store_workflow **ret,
				      struct pb_err *err)
{
	static const struct pg_stmt find = {.name = "store_workflow_version_trigger",
					    .sql = "SELECT trigger_type FROM workflow_version "
						   "WHERE tenant_id = $1 AND workflow_id = $2"
						   " AND version = $3"};
	static const struct pg_stmt stmt = {
		.name = "store_workflow_publish",
		.sql = "UPDATE workflow SET published_version = $4, published_trigger = $5, " TOUCH
			MATCH " RETURNING 1"};
	pg_auto_args look = PG_ARGS_INIT, args = PG_ARGS_INIT;
	pb_autoptr(pg_result) found = NULL;
	pb_autoptr(pg_tx) tx = NULL;
	struct pb_slice trigger;
	enum pb_status st;

	id_args(&look, tenant_id, id);
	pg_arg_i32(&look, version);
	st = pg_tx_begin(api_pool, &tenant_id, &tx, err);
	if (st == PB_OK)
		st = pg_tx_query(tx, &find, &look, &found, err);
	if (st)
		return st;

	id_args(&args, tenant_id, id);
	pg_arg_i64(&args, if_revision);
	pg_arg_i32(&args, version);
	trigger = pg_rows(found) > 0 ? pg_get_slice(found, 0, 0) : pb_slice("", 0);
	pg_arg_textn(&args, trigger.p, trigger.len);
	st = change(tx, &stmt, &args, tenant_id, id, NULL, err);
	if (st == PB_OK && pg_rows(found) == 0)
		return pb_err_set(err, PB_E_NOT_FOUND, "workflow.version_not_found",
				  "the workflow has no such version");
	if (st == PB_OK)
		st = store_hook_follow(tx, tenant_id, id, err);
	return st ? st : last_get(tx, tenant_id, id, arena, ret, err);
}

enum pb_status store_workflow_delete(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				     struct pb_uuid id, int64_t if_revision, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_workflow_delete",
		.sql = "UPDATE workflow SET active = false, deleted_at = now(), " TOUCH MATCH
		       " RETURNING 1"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_tx) tx = NULL;
	enum pb_status st;

	id_args(&args, tenant_id, id);
	pg_arg_i64(&args, if_revision);
	st = pg_tx_begin(api_pool, &tenant_id, &tx, err);
	if (st == PB_OK)
		st = change(tx, &stmt, &args, tenant_id, id, NULL, err);
	if (st == PB_OK)
		st = store_hook_remove(tx, tenant_id, id, err);
	return st ? st : pg_tx_commit(tx, err);
}

/* ---- reading ------------------------------------------------------------------------------------ */

enum pb_status store_workflow_get(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				  struct pb_uuid id, struct pb_arena *arena,
				  struct store_workflow **ret, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	id_args(&args, tenant_id, id);
	st = pg_query(api_pool, &tenant_id, &get_stmt, &args, &res, err);
	return st ? st : one_read(res, arena, ret, err);
}

enum pb_status store_workflow_list(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				   const struct store_workflow_filter *f, struct pb_arena *arena,
				   struct store_workflow **ret, size_t *ret_n, bool *ret_more,
				   struct pb_err *err)
{
	/* strpos, not LIKE: what people type has % and _ in it */
	static const struct pg_stmt stmt = {
		.name = "store_workflow_list",
		.sql = "SELECT " COLS("NULL::bytea") " FROM workflow w WHERE w.tenant_id = $1"
						     " AND w.deleted_at IS NULL AND ($2::uuid IS "
						     "NULL OR w.id < $2)"
						     " AND ($3::bool IS NULL OR w.active = $3)"
						     " AND ($4::text IS NULL OR "
						     "strpos(lower(w.name), lower($4)) > 0)"
						     " ORDER BY w.id DESC LIMIT $5"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	int limit = PB_MAX(1, PB_MIN(f->limit, LIST_MAX)), n;
	struct store_workflow *list;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	pg_arg_uuid_or_null(&args, &f->before);
	if (f->active < 0)
		pg_arg_null(&args, PG_BOOL);
	else
		pg_arg_bool(&args, f->active > 0);
	pg_arg_textn(&args, f->query.len ? f->query.p : NULL, f->query.len);
	pg_arg_i64(&args, limit + 1);
	st = pg_query(api_pool, &tenant_id, &stmt, &args, &res, err);
	if (st)
		return st;

	n = PB_MIN(pg_rows(res), limit);
	list = pb_arena_calloc(arena, (size_t)n + 1, sizeof(*list));
	for (int i = 0; list && i < n; i++)
		workflow_read(res, i, arena, &list[i]);
	st = store_arena_check(arena, err);
	if (st)
		return st;
	*ret = list;
	*ret_n = (size_t)n;
	*ret_more = pg_rows(res) > limit;
	return PB_OK;
}

enum pb_status store_workflow_count(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				    int64_t *ret_all, int64_t *ret_active, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_workflow_count",
		.sql = "SELECT count(*), count(*) FILTER (WHERE active) FROM workflow"
		       " WHERE tenant_id = $1 AND deleted_at IS NULL"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	pg_arg_uuid(&args, tenant_id);
	st = pg_query(api_pool, &tenant_id, &stmt, &args, &res, err);
	if (st)
		return st;
	*ret_all = pg_get_i64(res, 0, 0);
	*ret_active = pg_get_i64(res, 0, 1);
	return PB_OK;
}

enum pb_status store_workflow_versions(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				       struct pb_uuid id, int32_t before_version, int limit,
				       struct pb_arena *arena, struct store_workflow_version **ret,
				       size_t *ret_n, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_workflow_versions",
		.sql = "SELECT v.version, v.created_at, v.created_by, v.version = "
		       "w.published_version,"
		       " length(v.definition)::int8 FROM workflow w JOIN workflow_version v"
		       " ON v.tenant_id = w.tenant_id AND v.workflow_id = w.id"
		       " WHERE w.tenant_id = $1 AND w.id = $2 AND w.deleted_at IS NULL"
		       " AND ($3 = 0 OR v.version < $3) ORDER BY v.version DESC LIMIT $4"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	struct store_workflow_version *list;
	enum pb_status st;

	id_args(&args, tenant_id, id);
	pg_arg_i32(&args, before_version);
	pg_arg_i64(&args, PB_MAX(1, PB_MIN(limit, LIST_MAX)));
	st = pg_query(api_pool, &tenant_id, &stmt, &args, &res, err);
	if (st)
		return st;
	if (pg_rows(res) == 0 && before_version == 0)
		return store_workflow_not_found(err);

	list = pb_arena_calloc(arena, (size_t)pg_rows(res) + 1, sizeof(*list));
	for (int i = 0; list && i < pg_rows(res); i++) {
		list[i].version = pg_get_i32(res, i, 0);
		list[i].created_at = pg_get_time(res, i, 1);
		list[i].created_by = pg_get_uuid(res, i, 2);
		list[i].published = pg_get_bool(res, i, 3);
		list[i].definition_bytes = pg_get_i64(res, i, 4);
	}
	st = store_arena_check(arena, err);
	if (st)
		return st;
	*ret = list;
	*ret_n = (size_t)pg_rows(res);
	return PB_OK;
}

enum pb_status store_workflow_definition(struct pg_pool *pool, struct pb_uuid tenant_id,
					 struct pb_uuid id, int32_t version, struct pb_arena *arena,
					 struct pb_slice *ret, struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_workflow_definition",
		.sql = "SELECT definition FROM workflow_version"
		       " WHERE tenant_id = $1 AND workflow_id = $2 AND version = $3"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	id_args(&args, tenant_id, id);
	pg_arg_i32(&args, version);
	st = pg_query(pool, &tenant_id, &stmt, &args, &res, err);
	if (st)
		return st;
	if (pg_rows(res) == 0)
		return pb_err_set(err, PB_E_NOT_FOUND, "workflow.version_not_found",
				  "the workflow has no such version");
	*ret = pg_get_bytes(res, 0, 0, arena);
	return store_arena_check(arena, err);
}

enum pb_status store_workflow_active(struct pg_pool *engine_pool, const char *trigger_type,
				     struct pb_uuid after, int limit, struct pb_arena *arena,
				     struct store_active_workflow **ret, size_t *ret_n,
				     struct pb_err *err)
{
	static const struct pg_stmt stmt = {
		.name = "store_workflow_active",
		.sql = "SELECT w.tenant_id, w.id, w.published_version, v.definition FROM workflow w"
		       " JOIN workflow_version v ON v.tenant_id = w.tenant_id AND v.workflow_id = "
		       "w.id"
		       " AND v.version = w.published_version"
		       " WHERE w.published_trigger = $1 AND w.id > $2 AND w.active AND "
		       "w.published_version > 0"
		       " AND w.deleted_at IS NULL ORDER BY w.id LIMIT $3"};
	pg_auto_args args = PG_ARGS_INIT;
	pb_autoptr(pg_result) res = NULL;
	struct store_active_workflow *list;
	enum pb_status st;

	pg_arg_text(&args, trigger_type);
	pg_arg_uuid(&args, after);
	pg_arg_i64(&args, limit);
	st = pg_query(engine_pool, NULL, &stmt, &args, &res, err);
	if (st)
		return st;

	list = pb_arena_calloc(arena, (size_t)pg_rows(res) + 1, sizeof(*list));
	for (int i = 0; list && i < pg_rows(res); i++) {
		list[i].tenant_id = pg_get_uuid(res, i, 0);
		list[i].id = pg_get_uuid(res, i, 1);
		list[i].version = pg_get_i32(res, i, 2);
		list[i].definition = pg_get_bytes(res, i, 3, arena);
	}
	st = store_arena_check(arena, err);
	if (st)
		return st;
	*ret = list;
	*ret_n = (size_t)pg_rows(res);
	return PB_OK;
}
