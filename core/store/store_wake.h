/* SPDX-License-Identifier: Apache-2.0 */
/* Waking executions of all tenants that wait for the same thing, for example a connector. */
#ifndef PB_STORE_WAKE_H
#define PB_STORE_WAKE_H

#include "base/err.h"
#include "model/status.h"
#include "pg/pg_pool.h"

/*
 * Makes every waiting execution with @reason due now; the sweeper dispatches them.
 * Errors:  database.*. Threads: [any-thread]; @engine_pool is the engine's
 * Cost:    reads the live table once; called when an administrator enables a connector, not more often
 */
enum pb_status store_wake_waiting(struct pg_pool *engine_pool, enum model_wait_reason reason,
				  struct pb_err *err) pb_must_check;

#endif
