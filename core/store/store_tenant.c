/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of `tenant`. With the api pool a tenant sees its own row only, so "not found" there also
 * means "somebody else's".
 */
#include "store/store_tenant.h"

#include "pg/pg_pool.h"
#include "base/base.h"

#define LIST_MAX 200

static const char *const status_names[] = {
	[STORE_TENANT_PENDING] = "pending",
	[STORE_TENANT_ACTIVE] = "active",
	[STORE_TENANT_SUSPENDED] = "suspended",
};

#define COLUMNS "id, slug, name, status, created_at"

static const struct pg_stmt stmt_create = {
	.name = "tenant_create",
	.sql = "INSERT INTO tenant (id, slug, name) VALUES ($1, $2, $3)",
};
static const struct pg_stmt stmt_get = {
	.name = "tenant_get",
	.sql = "SELECT " COLUMNS " FROM tenant WHERE id = $1",
};
static const struct pg_stmt stmt_get_by_slug = {
	.name = "tenant_get_by_slug",
	.sql = "SELECT " COLUMNS " FROM tenant WHERE slug = $1",
};
static const struct pg_stmt stmt_set_status = {
	.name = "tenant_set_status",
	.sql = "UPDATE tenant SET status = $2, updated_at = now() WHERE id = $1",
};
static const struct pg_stmt stmt_list = {
	.name = "tenant_list",
	.sql = "SELECT " COLUMNS
	       " FROM tenant WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2",
};

bool store_tenant_slug_valid(const char *slug)
{
	size_t n = strlen(slug);

	return n >= 2 && n <= STORE_TENANT_SLUG_MAX && slug[0] != '-' && slug[n - 1] != '-' &&
	       strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static enum store_tenant_status status_of(struct pg_cell c)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(status_names); i++)
		if (pb_slice_eq_str(pg_cell_slice(c), status_names[i]))
			return (enum store_tenant_status)i;
	return STORE_TENANT_SUSPENDED; /* a status this version does not know is not let in */
}

static void read_row(const struct pg_result *r, int row, struct pb_arena *arena,
		     struct store_tenant *t)
{
	t->id = pg_get_uuid(r, row, 0);
	t->slug = pg_get_text(r, row, 1, arena);
	t->name = pg_get_text(r, row, 2, arena);
	t->status = status_of(pg_cell(r, row, 3));
	t->created_at_us = pg_get_time(r, row, 4);
}

static enum pb_status too_large(struct pb_err *err)
{
	return pb_err_set(err, PB_E_TOO_LARGE, "tenant.too_large",
			  "the answer does not fit its limit");
}

enum pb_status store_tenant_create(struct pg_pool *admin, struct pb_uuid id, const char *slug,
				   const char *name, struct pb_err *err)
{
	pb_autoptr(pg_tx) tx = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status status;

	if (!store_tenant_slug_valid(slug))
		return pb_err_set(err, PB_E_UNPROCESSABLE, "tenant.slug",
				  "a slug has 2 to %d of a-z, 0-9 and inner hyphens",
				  STORE_TENANT_SLUG_MAX);
	if (!*name || strlen(name) > STORE_TENANT_NAME_MAX || !pb_utf8_valid(name, strlen(name)))
		return pb_err_set(err, PB_E_UNPROCESSABLE, "tenant.name",
				  "a tenant's name has 1 to %d bytes", STORE_TENANT_NAME_MAX);
	pg_arg_uuid(&args, id);
	pg_arg_text(&args, slug);
	pg_arg_text(&args, name);
	status = pg_tx_begin(admin, NULL, &tx, err);
	if (status != PB_OK)
		return status;
	status = pg_tx_last(tx, &stmt_create, &args, NULL, err);
	if (status == PB_E_CONFLICT && pb_str_eq(pg_tx_constraint(tx), "tenant_slug_key"))
		return pb_err_set(err, PB_E_CONFLICT, "tenant.slug_taken",
				  "another tenant has the slug \"%s\"", slug);
	return status;
}

/* Runs a statement that gives one tenant or none. */
static enum pb_status get_one(struct pg_pool *pool, const struct pb_uuid *tenant,
			      const struct pg_stmt *stmt, const struct pg_args *args,
			      struct pb_arena *arena, struct store_tenant *ret, struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	struct store_tenant t;
	enum pb_status status = pg_query(pool, tenant, stmt, args, &r, err);

	if (status != PB_OK)
		return status;
	if (pg_rows(r) == 0)
		return pb_err_set(err, PB_E_NOT_FOUND, "tenant.not_found",
				  "there is no such tenant");
	read_row(r, 0, arena, &t);
	if (arena->overflow)
		return too_large(err);
	*ret = t;
	return PB_OK;
}

enum pb_status store_tenant_get(struct pg_pool *pool, struct pb_uuid id, struct pb_arena *arena,
				struct store_tenant *ret, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_uuid(&args, id);
	return get_one(pool, &id, &stmt_get, &args, arena, ret, err);
}

enum pb_status store_tenant_get_by_slug(struct pg_pool *admin, const char *slug,
					struct pb_arena *arena, struct store_tenant *ret,
					struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	if (!store_tenant_slug_valid(slug))
		return pb_err_set(err, PB_E_NOT_FOUND, "tenant.not_found",
				  "there is no such tenant");
	pg_arg_text(&args, slug);
	return get_one(admin, NULL, &stmt_get_by_slug, &args, arena, ret, err);
}

enum pb_status store_tenant_set_status(struct pg_pool *admin, struct pb_uuid id,
				       enum store_tenant_status status, struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status st;

	pg_arg_uuid(&args, id);
	pg_arg_text(&args, status_names[status]);
	st = pg_query(admin, NULL, &stmt_set_status, &args, &r, err);
	if (st != PB_OK)
		return st;
	if (pg_affected(r) == 0)
		return pb_err_set(err, PB_E_NOT_FOUND, "tenant.not_found",
				  "there is no such tenant");
	return PB_OK;
}

enum pb_status store_tenant_list(struct pg_pool *admin, struct pb_uuid before, size_t limit,
				 struct pb_arena *arena, struct store_tenant **ret_rows,
				 size_t *ret_n, struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	struct store_tenant *rows;
	enum pb_status status;
	size_t n;

	PB_ASSERT(limit >= 1 && limit <= LIST_MAX);
	pg_arg_uuid_or_null(&args, &before);
	pg_arg_i64(&args, (int64_t)limit);
	status = pg_query(admin, NULL, &stmt_list, &args, &r, err);
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
