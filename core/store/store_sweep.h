/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweeper's work: what is due is dispatched again, whatever was lost. One host leads (advisory
 * lock), but two leaders at once would do no harm: rows are taken with SKIP LOCKED. Also:
 * partitions.
 */
#ifndef PB_STORE_SWEEP_H
#define PB_STORE_SWEEP_H

#include "base/err.h"
#include "base/id.h"
#include "model/status.h"
#include "pg/pg_pool.h"

struct store_swept {
	struct pb_uuid tenant_id, id;
	int32_t dispatch; /* publish this one */
	bool recovered;   /* its lease had run out */
};

/*
 * Takes up to @limit due rows of one live @status: queued (nobody has claimed it yet) -> next dispatch number; running
 * with a lease that ran out -> queued (one more recovery, one more strike); waiting -> queued. The next look at them is
 * @redispatch_after_us later. Cost depends on the due rows alone.
 * Owner:   @ret has room for @limit; *ret_n says how many were set.
 * Errors:  database.*
 * Threads: [any-thread]; @pool is the engine's
 */
enum pb_status store_sweep(struct pg_pool *pool, int limit, enum model_execution_status status,
			   int64_t redispatch_after_us, struct store_swept *ret, int *ret_n,
			   struct pb_err *err) pb_must_check;

/* Live executions by status, for metrics and limits: index = enum model_execution_status. Reads the
 * whole live table: seldom. */
enum pb_status store_live_counts(struct pg_pool *pool, int64_t ret_counts[8],
				 struct pb_err *err) pb_must_check;

/* The sweeper's crown: a session lock on a connection of its own. [one thread] */
struct store_leader;
enum pb_status store_leader_new(const char *url, struct store_leader **ret,
				struct pb_err *err) pb_must_check;
/* One round trip: takes the lock when it is free, proves that it is still held when it was. False
 * also when the database is away: somebody else may lead then. */
bool store_leader_try(struct store_leader *l);
void store_leader_free(struct store_leader *l);
PB_DEFINE_AUTOPTR(store_leader, store_leader_free);

struct store_partition_report {
	int created, dropped;
};
/*
 * Makes the daily partitions of history, steps and payloads for today and @ahead_days more, moves
 * rows out of the default partitions, drops what is older than @keep_days, but nothing as old as a
 * live execution. Each partition is its own short transaction; one that is busy is left for the
 * next time. Errors: database.*
 */
enum pb_status store_partitions_maintain(struct pg_pool *pool, int ahead_days, int keep_days,
					 struct store_partition_report *ret,
					 struct pb_err *err) pb_must_check;

#endif
