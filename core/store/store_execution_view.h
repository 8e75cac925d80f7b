/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executions as the API shows them: live and finished ones as one. Under the tenant's role.
 * Surprising: an execution that moves to the history in this very moment is found exactly once,
 * because one statement (one snapshot) looks at both tables.
 */
#ifndef PB_STORE_EXECUTION_VIEW_H
#define PB_STORE_EXECUTION_VIEW_H

#include "store/store_execution.h"

struct store_execution {
	struct pb_uuid id, workflow_id;
	int32_t workflow_version;
	enum model_execution_status status;
	enum model_wait_reason wait_reason;
	int16_t mode;
	struct pb_uuid retry_of; /* nil: none */
	int32_t recoveries, dispatch, epoch;
	int64_t created_at, started_at, finished_at; /* 0: not yet */
	int64_t due_at; /* live rows: see store_execution.h; PG_TIME_INFINITY; 0 for finished ones
			 */
	bool has_signal;
	/* p == NULL when absent; trigger and result are loaded by store_execution_get only */
	struct pb_slice trigger, result, error;
};

/* Owner: *ret in @arena. Errors: PB_E_NOT_FOUND execution.not_found, database.*, PB_E_TOO_LARGE
 * store.too_large */
enum pb_status store_execution_get(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				   struct pb_uuid id, struct pb_arena *arena,
				   struct store_execution **ret, struct pb_err *err) pb_must_check;
/* As store_steps_load, for the API: PB_E_NOT_FOUND execution.not_found when the tenant has no such
 * execution. */
enum pb_status store_execution_steps(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				     struct pb_uuid id, struct pb_arena *arena,
				     struct store_step **ret, size_t *ret_n,
				     struct pb_err *err) pb_must_check;

#define STORE_LIST_MAX 200

struct store_execution_filter {
	struct pb_uuid workflow_id; /* nil: any */
	int16_t statuses[8];        /* any of these */
	size_t n_statuses;          /* 0: any */
	int64_t from_us, to_us;     /* created_at in [from, to), 0: open */
	struct pb_uuid before;      /* the cursor: ids below this one; nil: from the newest */
	int limit;                  /* 1..STORE_LIST_MAX */
};

/*
 * Newest first. The cursor of the next page is the last row's id; *ret_more says whether there is
 * one. Owner:  *ret in @arena, without trigger and result. Limits: looks back at most 400 days when
 * from_us is not given.
 */
enum pb_status store_execution_list(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				    const struct store_execution_filter *filter,
				    struct pb_arena *arena, struct store_execution **ret,
				    size_t *ret_n, bool *ret_more,
				    struct pb_err *err) pb_must_check;

struct store_execution_counts {
	int64_t by_status[8]; /* index = enum model_execution_status */
	int64_t duration_sum_us, n_finished;
};
/* Of one tenant since @from_us (at most 400 days), of one workflow when @workflow_id is not nil. */
enum pb_status store_execution_count(struct pg_pool *api_pool, struct pb_uuid tenant_id,
				     struct pb_uuid workflow_id, int64_t from_us,
				     struct store_execution_counts *ret,
				     struct pb_err *err) pb_must_check;

#endif
