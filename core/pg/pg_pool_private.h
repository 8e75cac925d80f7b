/* SPDX-License-Identifier: Apache-2.0 */
/* What pg_pool.c lends to pg_tx.c. Private to pg. */
#ifndef PB_PG_POOL_PRIVATE_H
#define PB_PG_POOL_PRIVATE_H

#include "pg/pg_link.h"
#include "pg/pg_pool.h"

struct pg_session {
	struct pg_link link;
	struct pg_session *next;
};

/* Owner: *ret goes back with pg_session_release. Errors: PB_E_UNAVAILABLE database.unavailable */
enum pb_status pg_session_borrow(struct pg_pool *p, struct pg_session **ret,
				 struct pb_err *err) pb_must_check;
/* Rolls back what is open; a lost connection is closed. */
void pg_session_release(struct pg_pool *p, struct pg_session *s);

#endif
