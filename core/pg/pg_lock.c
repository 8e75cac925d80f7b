/* SPDX-License-Identifier: Apache-2.0 */
/* An advisory lock held by a session of its own, for leadership among hosts. */
#include "pg/pg_lock.h"
#include "pg/pg_link.h"
#include "base/clock.h"
#include "base/base.h"

#define TIMEOUT_US (2 * PB_USEC_PER_SEC)

/* Invariant: held only while the session that took the lock is alive. */
struct pg_lock {
	struct pg_link_config config;
	struct pg_link link;
	int64_t key;
	bool held;
};

enum pb_status pg_lock_new(const char *url, const char *application_name, int64_t key,
			   struct pg_lock **ret, struct pb_err *err)
{
	pb_autoptr(pg_lock) l = pb_new(struct pg_lock);
	enum pb_status st = pg_link_config_init(&l->config, url, application_name, NULL, TIMEOUT_US,
						TIMEOUT_US, err);

	if (st)
		return st;

	pg_link_init(&l->link, &l->config);
	l->key = key;
	*ret = pb_steal(l);
	return PB_OK;
}

void pg_lock_free(struct pg_lock *l)
{
	if (l == NULL)
		return;
	pg_link_close(&l->link);
	pg_link_config_done(&l->config);
	free(l);
}

/*
 * Sessions may take the same lock several times: ask only while it is not held. A holder that stops asking
 * (frozen, cut off) loses its session after 5 s, or nobody could lead any more.
 */
bool pg_lock_try(struct pg_lock *l)
{
	static const struct pg_stmt take = {
		.name = "pg_lock_take",
		.sql = "SELECT pg_try_advisory_lock($1) FROM"
		       " set_config('idle_session_timeout', '5s', false)"};
	static const struct pg_stmt prove = {.name = "pg_lock_prove", .sql = "SELECT true"};
	pg_auto_args args = PG_ARGS_INIT;
	PGresult *res = NULL;

	if (!pg_link_alive(&l->link)) {
		l->held = false;
		if (pg_link_open(&l->link, NULL) != PB_OK)
			return false;
	}
	if (!l->held)
		pg_arg_i64(&args, l->key);
	pg_link_send(&l->link, l->held ? &prove : &take, &args, true);
	if (pg_link_run(&l->link, &res, 1, NULL) != PB_OK) {
		l->held = false;
		pg_link_close(&l->link);
		return false;
	}
	l->held = pg_get_bool(res, 0, 0);
	PQclear(res);
	return l->held;
}
