/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of `connection`. Secrets come and go sealed; lists never fetch them. An update names the
 * revision it was made from, and a changed secret carries the new revision in its seal.
 */
#include "store/store_connection.h"

#include "pg/pg_pool.h"
#include "base/base.h"

#define LIST_MAX   200
#define SEALED_MIN 45
#define SHORT_MAX  64
#define REASON_MAX 500

static const char *const status_names[] = {
	[STORE_CONNECTION_UNTESTED] = "untested",
	[STORE_CONNECTION_OK] = "ok",
	[STORE_CONNECTION_FAILED] = "failed",
	[STORE_CONNECTION_NEEDS_RECONNECT] = "needs_reconnect",
};

#define COLUMNS                                                                                    \
	"tenant_id, id, name, connector, auth_type, fields, status, status_reason, revision, "     \
	"secret_revision, created_at, updated_at"

static const struct pg_stmt stmt_create = {
	.name = "connection_create",
	.sql = "INSERT INTO connection (tenant_id, id, name, connector, auth_type, fields, status,"
	       " status_reason, secrets) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};
static const struct pg_stmt stmt_get = {
	.name = "connection_get",
	.sql = "SELECT " COLUMNS ", secrets FROM connection WHERE tenant_id = $1 AND id = $2",
};
static const struct pg_stmt stmt_get_by_name = {
	.name = "connection_get_by_name",
	.sql = "SELECT " COLUMNS ", secrets FROM connection"
	       " WHERE tenant_id = $1 AND lower(name COLLATE \"C\") = lower($2 COLLATE \"C\")",
};
static const struct pg_stmt stmt_list = {
	.name = "connection_list",
	.sql = "SELECT " COLUMNS ", NULL::bytea FROM connection WHERE tenant_id = $1"
	       " AND ($2::uuid IS NULL OR id < $2) AND ($3::text IS NULL OR connector = $3)"
	       " ORDER BY id DESC LIMIT $4",
};
static const struct pg_stmt stmt_update = {
	.name = "connection_update",
	.sql = "UPDATE connection SET name = $4, fields = $5, status = $6, status_reason = $7,"
	       " revision = revision + 1, updated_at = now(), secrets = coalesce($8, secrets),"
	       " secret_revision = CASE WHEN $8::bytea IS NULL THEN secret_revision ELSE revision "
	       "+ 1 END"
	       " WHERE tenant_id = $1 AND id = $2 AND revision = $3 RETURNING revision",
};
static const struct pg_stmt stmt_exists = {
	.name = "connection_exists",
	.sql = "SELECT 1 FROM connection WHERE tenant_id = $1 AND id = $2",
};
static const struct pg_stmt stmt_set_status = {
	.name = "connection_set_status",
	.sql = "UPDATE connection SET status = $3, status_reason = $4 WHERE tenant_id = $1 AND id "
	       "= $2",
};
static const struct pg_stmt stmt_delete = {
	.name = "connection_delete",
	.sql = "DELETE FROM connection WHERE tenant_id = $1 AND id = $2"
	       " AND ($3::int8 = 0 OR revision = $3)",
};
static const struct pg_stmt stmt_list_other_key = {
	.name = "connection_list_other_key",
	.sql = "SELECT " COLUMNS
	       ", secrets FROM connection WHERE tenant_id = $1 AND secret_key_id <> $2"
	       " AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4",
};

static enum pb_status not_found(struct pb_err *err)
{
	return pb_err_set(err, PB_E_NOT_FOUND, "connection.not_found",
			  "there is no such connection");
}

static enum pb_status too_large(struct pb_err *err)
{
	return pb_err_set(err, PB_E_TOO_LARGE, "connection.too_large",
			  "the connection is too large");
}

static enum store_connection_status status_of(struct pg_cell c)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(status_names); i++)
		if (pb_slice_eq_str(pg_cell_slice(c), status_names[i]))
			return (enum store_connection_status)i;
	return STORE_CONNECTION_UNTESTED;
}

static void read_row(const struct pg_result *r, int row, struct pb_arena *arena,
		     struct store_connection *c)
{
	struct pb_slice secrets = pg_get_bytes(r, row, 12, arena);

	c->tenant = pg_get_uuid(r, row, 0);
	c->id = pg_get_uuid(r, row, 1);
	c->name = pg_get_text(r, row, 2, arena);
	c->connector = pg_get_text(r, row, 3, arena);
	c->auth_type = pg_get_text(r, row, 4, arena);
	c->fields = pg_get_bytes(r, row, 5, arena).p;
	c->status = status_of(pg_cell(r, row, 6));
	c->status_reason = pg_get_text(r, row, 7, arena);
	c->revision = pg_get_i64(r, row, 8);
	c->secret_revision = pg_get_i64(r, row, 9);
	c->created_at_us = pg_get_time(r, row, 10);
	c->updated_at_us = pg_get_time(r, row, 11);
	c->secrets = (const uint8_t *)secrets.p;
	c->secrets_n = secrets.len;
}

/* What the table would refuse, with better words.. */
static enum pb_status check(const struct store_connection *c, struct pb_err *err)
{
	size_t name_n = strlen(c->name);

	if (!name_n || name_n > STORE_CONNECTION_NAME_MAX || !pb_utf8_valid(c->name, name_n))
		return pb_err_set(err, PB_E_UNPROCESSABLE, "connection.name",
				  "a connection's name has 1 to %d bytes",
				  STORE_CONNECTION_NAME_MAX);
	for (size_t i = 0; i < name_n; i++)
		if ((unsigned char)c->name[i] < 0x20 || c->name[i] == 0x7f)
			return pb_err_set(err, PB_E_UNPROCESSABLE, "connection.name",
					  "a connection's name has no control characters");
	if (strlen(c->fields) > STORE_CONNECTION_FIELDS_MAX ||
	    c->secrets_n > STORE_CONNECTION_SECRETS_MAX)
		return too_large(err);
	PB_ASSERT(!c->secrets || c->secrets_n >= SEALED_MIN);
	return PB_OK;
}

static enum pb_status write_failed(const struct pg_tx *tx, enum pb_status status,
				   struct pb_err *err)
{
	const char *constraint = pg_tx_constraint(tx);

	if (pb_str_eq(constraint, "connection_name_key"))
		return pb_err_set(err, PB_E_CONFLICT, "connection.name_taken",
				  "another connection has this name");
	if (pb_str_eq(constraint, "connection_tenant_id_fkey"))
		return pb_err_set(err, PB_E_NOT_FOUND, "tenant.not_found",
				  "there is no such tenant");
	return status;
}

enum pb_status store_connection_create(struct pg_pool *pool, const struct store_connection *c,
				       struct pb_err *err)
{
	pb_autoptr(pg_tx) tx = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status status = check(c, err);

	if (status != PB_OK)
		return status;
	PB_ASSERT(c->secrets);
	if (!*c->connector || strlen(c->connector) > SHORT_MAX || !*c->auth_type ||
	    strlen(c->auth_type) > SHORT_MAX)
		return pb_err_set(err, PB_E_UNPROCESSABLE, "connection.connector",
				  "connector and auth type have 1 to %d bytes", SHORT_MAX);
	pg_arg_uuid(&args, c->tenant);
	pg_arg_uuid(&args, c->id);
	pg_arg_text(&args, c->name);
	pg_arg_text(&args, c->connector);
	pg_arg_text(&args, c->auth_type);
	pg_arg_bytes(&args, c->fields, strlen(c->fields));
	pg_arg_text(&args, status_names[c->status]);
	pg_arg_text(&args, c->status_reason ? c->status_reason : "");
	pg_arg_bytes(&args, c->secrets, c->secrets_n);
	status = pg_tx_begin(pool, &c->tenant, &tx, err);
	if (status != PB_OK)
		return status;
	status = pg_tx_last(tx, &stmt_create, &args, NULL, err);
	return status == PB_OK ? PB_OK : write_failed(tx, status, err);
}

static enum pb_status get_one(struct pg_pool *pool, struct pb_uuid tenant,
			      const struct pg_stmt *stmt, const struct pg_args *args,
			      struct pb_arena *arena, struct store_connection *ret,
			      struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	struct store_connection c;
	enum pb_status status = pg_query(pool, &tenant, stmt, args, &r, err);

	if (status != PB_OK)
		return status;
	if (pg_rows(r) == 0)
		return not_found(err);
	read_row(r, 0, arena, &c);
	if (arena->overflow)
		return too_large(err);
	*ret = c;
	return PB_OK;
}

enum pb_status store_connection_get(struct pg_pool *pool, struct pb_uuid tenant, struct pb_uuid id,
				    struct pb_arena *arena, struct store_connection *ret,
				    struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_uuid(&args, tenant);
	pg_arg_uuid(&args, id);
	return get_one(pool, tenant, &stmt_get, &args, arena, ret, err);
}

enum pb_status store_connection_get_by_name(struct pg_pool *pool, struct pb_uuid tenant,
					    const char *name, struct pb_arena *arena,
					    struct store_connection *ret, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	if (strlen(name) > STORE_CONNECTION_NAME_MAX || !pb_utf8_valid(name, strlen(name)))
		return not_found(err);
	pg_arg_uuid(&args, tenant);
	pg_arg_text(&args, name);
	return get_one(pool, tenant, &stmt_get_by_name, &args, arena, ret, err);
}

static enum pb_status get_many(struct pg_pool *pool, struct pb_uuid tenant,
			       const struct pg_stmt *stmt, const struct pg_args *args,
			       struct pb_arena *arena, struct store_connection **ret_rows,
			       size_t *ret_n, struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	struct store_connection *rows;
	enum pb_status status = pg_query(pool, &tenant, stmt, args, &r, err);
	size_t n;

	if (status != PB_OK)
		return status;
	n = (size_t)pg_rows(r);
	rows = pb_arena_calloc(arena, n + 1, sizeof *rows);
	if (!rows)
		return too_large(err);
	for (size_t i = 0; i < n; i++)
		read_row(r, (int)i, arena, &rows[i]);
	if (arena->overflow)
		return too_large(err);
	*ret_rows = rows;
	*ret_n = n;
	return PB_OK;
}

enum pb_status store_connection_list(struct pg_pool *pool, struct pb_uuid tenant,
				     const struct store_connection_query *q, struct pb_arena *arena,
				     struct store_connection **ret_rows, size_t *ret_n,
				     struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	PB_ASSERT(q->limit >= 1 && q->limit <= LIST_MAX);
	pg_arg_uuid(&args, tenant);
	pg_arg_uuid_or_null(&args, &q->before);
	pg_arg_text(&args, q->connector);
	pg_arg_i64(&args, (int64_t)q->limit);
	return get_many(pool, tenant, &stmt_list, &args, arena, ret_rows, ret_n, err);
}

/* After a change that met no row: is the connection gone or only newer? Ends the transaction. */
static enum pb_status why_nothing(struct pg_tx *tx, struct pb_uuid tenant, struct pb_uuid id,
				  struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status status;

	pg_arg_uuid(&args, tenant);
	pg_arg_uuid(&args, id);
	status = pg_tx_last(tx, &stmt_exists, &args, &r, err);
	if (status != PB_OK)
		return status;
	if (pg_rows(r) == 0)
		return not_found(err);
	return pb_err_set(err, PB_E_PRECONDITION, "connection.revision",
			  "the connection was changed since you read it; read it again");
}

enum pb_status store_connection_update(struct pg_pool *pool, const struct store_connection *c,
				       int64_t *ret_revision, struct pb_err *err)
{
	pb_autoptr(pg_tx) tx = NULL;
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status status = check(c, err);
	int64_t revision;

	if (status != PB_OK)
		return status;
	pg_arg_uuid(&args, c->tenant);
	pg_arg_uuid(&args, c->id);
	pg_arg_i64(&args, c->revision);
	pg_arg_text(&args, c->name);
	pg_arg_bytes(&args, c->fields, strlen(c->fields));
	pg_arg_text(&args, status_names[c->status]);
	pg_arg_text(&args, c->status_reason ? c->status_reason : "");
	pg_arg_bytes(&args, c->secrets, c->secrets_n);
	status = pg_tx_begin(pool, &c->tenant, &tx, err);
	if (status != PB_OK)
		return status;
	status = pg_tx_query(tx, &stmt_update, &args, &r, err);
	if (status != PB_OK)
		return write_failed(tx, status, err);
	if (pg_rows(r) == 0)
		return why_nothing(tx, c->tenant, c->id, err);
	revision = pg_get_i64(r, 0, 0);
	status = pg_tx_commit(tx, err);
	if (status == PB_OK)
		*ret_revision = revision;
	return status;
}

enum pb_status store_connection_set_status(struct pg_pool *pool, struct pb_uuid tenant,
					   struct pb_uuid id, enum store_connection_status status,
					   const char *reason, struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status st;

	pg_arg_uuid(&args, tenant);
	pg_arg_uuid(&args, id);
	pg_arg_text(&args, status_names[status]);
	pg_arg_textn(&args, reason, pb_utf8_cut(reason, strlen(reason), REASON_MAX));
	st = pg_query(pool, &tenant, &stmt_set_status, &args, &r, err);
	if (st != PB_OK)
		return st;
	return pg_affected(r) ? PB_OK : not_found(err);
}

enum pb_status store_connection_delete(struct pg_pool *pool, struct pb_uuid tenant,
				       struct pb_uuid id, int64_t revision, struct pb_err *err)
{
	pb_autoptr(pg_tx) tx = NULL;
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status status;

	pg_arg_uuid(&args, tenant);
	pg_arg_uuid(&args, id);
	pg_arg_i64(&args, revision);
	status = pg_tx_begin(pool, &tenant, &tx, err);
	if (status != PB_OK)
		return status;
	status = pg_tx_query(tx, &stmt_delete, &args, &r, err);
	if (status != PB_OK)
		return status;
	return pg_affected(r) ? pg_tx_commit(tx, err) : why_nothing(tx, tenant, id, err);
}

enum pb_status store_connection_list_other_key(struct pg_pool *pool, struct pb_uuid tenant,
					       uint32_t key_id, struct pb_uuid after, size_t limit,
					       struct pb_arena *arena,
					       struct store_connection **ret_rows, size_t *ret_n,
					       struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	PB_ASSERT(limit >= 1 && limit <= LIST_MAX);
	pg_arg_uuid(&args, tenant);
	pg_arg_i64(&args, key_id);
	pg_arg_uuid_or_null(&args, &after);
	pg_arg_i64(&args, (int64_t)limit);
	return get_many(pool, tenant, &stmt_list_other_key, &args, arena, ret_rows, ret_n, err);
}
