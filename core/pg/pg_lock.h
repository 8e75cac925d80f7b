/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session-level advisory lock on a connection of its own: leadership among hosts. When the
 * connection breaks the server gives the lock away; pg_lock_try notices that with one round trip. A
 * holder that does not call pg_lock_try for 5 s loses the lock.
 */
#ifndef PB_PG_LOCK_H
#define PB_PG_LOCK_H

#include "base/err.h"
#include "base/mem.h"

struct pg_lock;

/* Connects when first tried. Errors: PB_E_INVALID database.url. Threads: one thread. */
enum pb_status pg_lock_new(const char *url, const char *application_name, int64_t key,
			   struct pg_lock **ret, struct pb_err *err) pb_must_check;
/* True: this session holds the lock now, as the server just confirmed. Waits at most a few seconds.
 */
bool pg_lock_try(struct pg_lock *l);
void pg_lock_free(struct pg_lock *l);
PB_DEFINE_AUTOPTR(pg_lock, pg_lock_free);

#endif
