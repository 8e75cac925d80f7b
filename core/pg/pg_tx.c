/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short transactions on a pooled connection. BEGIN and the tenant wait in libpq's buffer until the first
 * query goes out with them.
 */
#include "pg/pg_pool.h"
#include "pg/pg_pool_private.h"
#include "base/base.h"

struct pg_tx {
	struct pg_pool *pool;
	struct pg_session *session; /* NULL after the end */
	bool failed;
	char constraint[64];
};

enum pb_status pg_tx_begin(struct pg_pool *pool, const struct pb_uuid *tenant,
			   struct pg_tx **ret_tx, struct pb_err *err)
{
	struct pg_session *s = NULL;
	enum pb_status st = pg_session_borrow(pool, &s, err);

	if (st)
		return st;

	pg_link_send(&s->link, &pg_stmt_begin, NULL, false);
	if (tenant) {
		pg_auto_args args = PG_ARGS_INIT;

		pg_arg_uuid(&args, *tenant);
		pg_link_send(&s->link, &pg_stmt_tenant, &args, false);
	}
	*ret_tx = pb_new(struct pg_tx);
	(*ret_tx)->pool = pool;
	(*ret_tx)->session = s;
	return PB_OK;
}

static void tx_end(struct pg_tx *tx)
{
	if (tx->session)
		pg_session_release(tx->pool, tx->session);
	tx->session = NULL;
}

static enum pb_status tx_run(struct pg_tx *tx, struct pg_result **ret, int n_ret,
			     struct pb_err *err)
{
	struct pg_link *l = &tx->session->link;
	enum pb_status st = pg_link_run(l, ret, n_ret, err);

	if (st) {
		tx->failed = true;
		(void)pb_str_copy(tx->constraint, sizeof(tx->constraint), l->constraint);
	}
	return st;
}

static enum pb_status tx_dead(struct pb_err *err)
{
	return pb_err_set(err, PB_E_INTERNAL, "database.error",
			  "the transaction has ended already");
}

enum pb_status pg_tx_query(struct pg_tx *tx, const struct pg_stmt *stmt, const struct pg_args *args,
			   struct pg_result **ret, struct pb_err *err)
{
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	if (tx->failed || tx->session == NULL)
		return tx_dead(err);

	pg_link_send(&tx->session->link, stmt, args, true);
	st = tx_run(tx, &res, 1, err);
	if (st == PB_OK && ret)
		*ret = pb_steal(res);
	return st;
}

/* A connection that broke while a COMMIT was under way: only a plain read is certainly without effect. */
static enum pb_status commit_end(struct pg_tx *tx, bool reads, enum pb_status st,
				 struct pb_err *err)
{
	bool lost = tx->session->link.lost;

	tx_end(tx);
	if (st && lost && !reads)
		return pb_err_set(
			err, PB_E_TIMEOUT, "database.outcome_unknown",
			"the database went away in the middle: the change may have been made");
	return st;
}

enum pb_status pg_tx_last(struct pg_tx *tx, const struct pg_stmt *stmt, const struct pg_args *args,
			  struct pg_result **ret, struct pb_err *err)
{
	pb_autoptr(pg_result) res = NULL;
	enum pb_status st;

	if (tx->failed || tx->session == NULL)
		return tx_dead(err);

	pg_link_send(&tx->session->link, stmt, args, true);
	pg_link_send(&tx->session->link, &pg_stmt_commit, NULL, false);
	st = tx_run(tx, &res, 1, err);
	st = commit_end(tx, pb_str_starts(stmt->sql, "SELECT"), st, err);
	if (st == PB_OK && ret)
		*ret = pb_steal(res);
	return st;
}

enum pb_status pg_tx_commit(struct pg_tx *tx, struct pb_err *err)
{
	if (tx->failed || tx->session == NULL)
		return tx_dead(err);

	pg_link_send(&tx->session->link, &pg_stmt_commit, NULL, false);
	return commit_end(tx, false, tx_run(tx, NULL, 0, err), err);
}

const char *pg_tx_constraint(const struct pg_tx *tx)
{
	return tx->constraint;
}

void pg_tx_free(struct pg_tx *tx)
{
	if (tx == NULL)
		return;
	tx_end(tx);
	free(tx);
}

enum pb_status pg_query(struct pg_pool *pool, const struct pb_uuid *tenant,
			const struct pg_stmt *stmt, const struct pg_args *args,
			struct pg_result **ret, struct pb_err *err)
{
	pb_autoptr(pg_tx) tx = NULL;
	enum pb_status st = pg_tx_begin(pool, tenant, &tx, err);

	if (st)
		return st;
	return pg_tx_last(tx, stmt, args, ret, err);
}
