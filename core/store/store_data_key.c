/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of `data_key` and the one row of `platform_key`, for `vault`. Two processes that make the
 * same key at the same time meet at the primary key: one inserts, the other is told and reads.
 */
#include "store/store_data_key.h"

#include "pg/pg_pool.h"
#include "base/base.h"

static const struct pg_stmt stmt_get = {
	.name = "data_key_get",
	.sql = "SELECT tenant_id, id, kek_id, wrapped FROM data_key WHERE tenant_id = $1"
	       " AND ($2::int8 = 0 OR id = $2) ORDER BY id DESC LIMIT 1",
};
static const struct pg_stmt stmt_insert = {
	.name = "data_key_insert",
	.sql = "INSERT INTO data_key (tenant_id, id, kek_id, wrapped) VALUES ($1, $2, $3, $4)"
	       " ON CONFLICT (tenant_id, id) DO NOTHING",
};
static const struct pg_stmt stmt_shred = {
	.name = "data_key_shred",
	.sql = "DELETE FROM data_key WHERE tenant_id = $1",
};
static const struct pg_stmt stmt_list_other_kek = {
	.name = "data_key_list_other_kek",
	.sql = "SELECT tenant_id, id, kek_id, wrapped FROM data_key WHERE kek_id <> $1"
	       " ORDER BY tenant_id, id LIMIT $2",
};
static const struct pg_stmt stmt_rewrap = {
	.name = "data_key_rewrap",
	.sql = "UPDATE data_key SET kek_id = $3, wrapped = $4"
	       " WHERE tenant_id = $1 AND id = $2 AND kek_id = $5",
};
static const struct pg_stmt stmt_platform_get = {
	.name = "platform_key_get",
	.sql = "SELECT NULL::uuid, id, kek_id, wrapped FROM platform_key",
};
static const struct pg_stmt stmt_platform_insert = {
	.name = "platform_key_insert",
	.sql = "INSERT INTO platform_key (id, kek_id, wrapped) VALUES ($1, $2, $3)"
	       " ON CONFLICT (id) DO NOTHING",
};
static const struct pg_stmt stmt_platform_rewrap = {
	.name = "platform_key_rewrap",
	.sql = "UPDATE platform_key SET kek_id = $2, wrapped = $3 WHERE id = $1 AND kek_id = $4",
};

static void read_row(const struct pg_result *r, int row, struct store_data_key *k)
{
	struct pb_slice kek = pg_get_slice(r, row, 2), wrapped = pg_get_slice(r, row, 3);

	/* the table's checks keep both inside */
	PB_ASSERT(kek.len < sizeof k->kek_id && wrapped.len <= sizeof k->wrapped);
	*k = (struct store_data_key){.tenant = pg_get_uuid(r, row, 0),
				     .id = (uint32_t)pg_get_i64(r, row, 1)};
	memcpy(k->kek_id, kek.p, kek.len);
	memcpy(k->wrapped, wrapped.p, wrapped.len);
	k->wrapped_n = wrapped.len;
}

static enum pb_status get_one(struct pg_pool *pool, const struct pb_uuid *tenant,
			      const struct pg_stmt *stmt, const struct pg_args *args,
			      struct store_data_key *ret, struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	enum pb_status status = pg_query(pool, tenant, stmt, args, &r, err);

	if (status != PB_OK)
		return status;
	if (pg_rows(r) == 0)
		return pb_err_set(err, PB_E_NOT_FOUND, "data_key.not_found",
				  "there is no such data key");
	read_row(r, 0, ret);
	return PB_OK;
}

/* For statements that change one row or, when somebody else was faster, none. */
static enum pb_status change_one(struct pg_pool *pool, const struct pb_uuid *tenant,
				 const struct pg_stmt *stmt, const struct pg_args *args,
				 const char *code, struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	enum pb_status status = pg_query(pool, tenant, stmt, args, &r, err);

	if (status != PB_OK)
		return status;
	if (pg_affected(r) == 0)
		return pb_err_set(err, PB_E_CONFLICT, code,
				  "another process changed the key first");
	return PB_OK;
}

enum pb_status store_data_key_get(struct pg_pool *pool, struct pb_uuid tenant, uint32_t id,
				  struct store_data_key *ret, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_uuid(&args, tenant);
	pg_arg_i64(&args, id);
	return get_one(pool, &tenant, &stmt_get, &args, ret, err);
}

enum pb_status store_data_key_insert(struct pg_pool *pool, const struct store_data_key *key,
				     struct pb_err *err)
{
	pb_autoptr(pg_tx) tx = NULL;
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status status;

	pg_arg_uuid(&args, key->tenant);
	pg_arg_i64(&args, key->id);
	pg_arg_text(&args, key->kek_id);
	pg_arg_bytes(&args, key->wrapped, key->wrapped_n);
	status = pg_tx_begin(pool, &key->tenant, &tx, err);
	if (status != PB_OK)
		return status;
	status = pg_tx_last(tx, &stmt_insert, &args, &r, err);
	if (status == PB_E_CONFLICT && pb_str_eq(pg_tx_constraint(tx), "data_key_tenant_id_fkey"))
		return pb_err_set(err, PB_E_NOT_FOUND, "tenant.not_found",
				  "there is no such tenant");
	if (status != PB_OK)
		return status;
	if (pg_affected(r) == 0)
		return pb_err_set(err, PB_E_CONFLICT, "data_key.exists",
				  "the data key exists already");
	return PB_OK;
}

enum pb_status store_data_key_shred(struct pg_pool *pool, struct pb_uuid tenant, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_uuid(&args, tenant);
	return pg_query(pool, &tenant, &stmt_shred, &args, NULL, err);
}

enum pb_status store_data_key_list_other_kek(struct pg_pool *admin, const char *kek_id,
					     struct store_data_key *out, size_t cap, size_t *ret_n,
					     struct pb_err *err)
{
	pb_autoptr(pg_result) r = NULL;
	pg_auto_args args = PG_ARGS_INIT;
	enum pb_status status;

	pg_arg_text(&args, kek_id);
	pg_arg_i64(&args, (int64_t)cap);
	status = pg_query(admin, NULL, &stmt_list_other_kek, &args, &r, err);
	if (status != PB_OK)
		return status;
	for (int i = 0; i < pg_rows(r); i++)
		read_row(r, i, &out[i]);
	*ret_n = (size_t)pg_rows(r);
	return PB_OK;
}

enum pb_status store_data_key_rewrap(struct pg_pool *admin, const struct store_data_key *key,
				     const char *old_kek_id, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_uuid(&args, key->tenant);
	pg_arg_i64(&args, key->id);
	pg_arg_text(&args, key->kek_id);
	pg_arg_bytes(&args, key->wrapped, key->wrapped_n);
	pg_arg_text(&args, old_kek_id);
	return change_one(admin, NULL, &stmt_rewrap, &args, "data_key.changed", err);
}

enum pb_status store_platform_key_get(struct pg_pool *pool, struct store_data_key *ret,
				      struct pb_err *err)
{
	return get_one(pool, NULL, &stmt_platform_get, NULL, ret, err);
}

enum pb_status store_platform_key_insert(struct pg_pool *pool, const struct store_data_key *key,
					 struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_i64(&args, key->id);
	pg_arg_text(&args, key->kek_id);
	pg_arg_bytes(&args, key->wrapped, key->wrapped_n);
	return change_one(pool, NULL, &stmt_platform_insert, &args, "data_key.exists", err);
}

enum pb_status store_platform_key_rewrap(struct pg_pool *admin, const struct store_data_key *key,
					 const char *old_kek_id, struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_i64(&args, key->id);
	pg_arg_text(&args, key->kek_id);
	pg_arg_bytes(&args, key->wrapped, key->wrapped_n);
	pg_arg_text(&args, old_kek_id);
	return change_one(admin, NULL, &stmt_platform_rewrap, &args, "data_key.changed", err);
}
