/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of store/ share: sizes, days, rows of steps. Private to store. */
#ifndef PB_STORE_PRIVATE_H
#define PB_STORE_PRIVATE_H

#include "store/store_execution.h"

/* The day (since 1970, UTC) in an execution's id: where its large values are kept. */
int32_t store_uuid_day(struct pb_uuid id);
/* Errors: PB_E_TOO_LARGE store.value_too_large */
enum pb_status store_value_check(struct pb_slice v, struct pb_err *err);
/* After filling @arena: PB_E_TOO_LARGE store.too_large when it ran over. */
enum pb_status store_arena_check(const struct pb_arena *arena, struct pb_err *err);
void store_row_slice(struct pg_rowset *r, struct pb_slice v); /* p == NULL is NULL */

/* Numbers of enum model_execution_status as SQL text. */
#define STORE_QUEUED  "0"
#define STORE_RUNNING "1"
#define STORE_WAITING "2"
_Static_assert(MODEL_EXECUTION_QUEUED == 0 && MODEL_EXECUTION_RUNNING == 1 &&
		       MODEL_EXECUTION_WAITING == 2 && MODEL_EXECUTION_FAILED == 4,
	       "these numbers stand in SQL text here and in the migrations");

/* Columns of a step's group in checkpoint and finish, in this order. */
#define STORE_STEP_COLS 19
#define STORE_STEP_TYPES                                                                           \
	{                                                                                          \
		PG_UUID, PG_UUID, PG_DATE, PG_TEXT, PG_TEXT, PG_INT2, PG_INT2, PG_INT4, PG_INT4,   \
			PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_BYTEA, PG_TEXT, PG_TEXT, PG_TEXT,         \
			PG_TIME, PG_TIME, PG_TIME                                                  \
	}
/* One row a step in @group. Errors: PB_E_TOO_LARGE store.value_too_large */
enum pb_status store_step_rows(struct pg_rowset *rows, int group, const struct store_lease *lease,
			       const struct store_step *steps, size_t n, struct pb_err *err);

/* SQL text that checkpoint and finish have in common: CTE `s` has the steps, @fence is the CTE that lets through. */
#define STORE_STEP_NAMES                                                                           \
	"o, tenant_id, execution_id, day, step_id, item, status, wait_reason, attempt, position, " \
	"attempts, input, output, error, idempotency_key, connector, connector_version, "          \
	"next_attempt_at, started_at, finished_at"
#define STORE_STEP_UPSERT(fence)                                                                   \
	"steps AS (INSERT INTO step_run AS x (tenant_id, execution_id, step_id, item, status,"     \
	" wait_reason, attempt, position, attempts, input, input_ref, output, output_ref, error,"  \
	" idempotency_key, connector, connector_version, next_attempt_at, started_at,"             \
	" finished_at)"                                                                            \
	" SELECT s.tenant_id, s.execution_id, s.step_id, s.item, s.status, s.wait_reason,"         \
	" s.attempt, s.position, s.attempts,"                                                      \
	" CASE WHEN length(s.input) <= 8192 THEN s.input END,"                                     \
	" CASE WHEN length(s.input) > 8192 THEN sha256(s.input) END,"                              \
	" CASE WHEN length(s.output) <= 8192 THEN s.output END,"                                   \
	" CASE WHEN length(s.output) > 8192 THEN sha256(s.output) END,"                            \
	" s.error, s.idempotency_key, s.connector, s.connector_version, s.next_attempt_at,"        \
	" s.started_at, s.finished_at"                                                             \
	" FROM s JOIN " fence " f ON f.o = s.o"                                                    \
	" ON CONFLICT (tenant_id, execution_id, step_id, item) DO UPDATE SET"                      \
	" status = EXCLUDED.status, wait_reason = EXCLUDED.wait_reason,"                           \
	" attempt = EXCLUDED.attempt, position = EXCLUDED.position,"                               \
	" attempts = coalesce(EXCLUDED.attempts, x.attempts),"                                     \
	" input = CASE WHEN EXCLUDED.input IS NULL AND EXCLUDED.input_ref IS NULL"                 \
	" THEN x.input ELSE EXCLUDED.input END,"                                                   \
	" input_ref = CASE WHEN EXCLUDED.input IS NULL AND EXCLUDED.input_ref IS NULL"             \
	" THEN x.input_ref ELSE EXCLUDED.input_ref END,"                                           \
	" output = CASE WHEN EXCLUDED.output IS NULL AND EXCLUDED.output_ref IS NULL"              \
	" THEN x.output ELSE EXCLUDED.output END,"                                                 \
	" output_ref = CASE WHEN EXCLUDED.output IS NULL AND EXCLUDED.output_ref IS NULL"          \
	" THEN x.output_ref ELSE EXCLUDED.output_ref END,"                                         \
	" error = EXCLUDED.error, idempotency_key = EXCLUDED.idempotency_key,"                     \
	" connector = EXCLUDED.connector, connector_version = EXCLUDED.connector_version,"         \
	" next_attempt_at = EXCLUDED.next_attempt_at, started_at = EXCLUDED.started_at,"           \
	" finished_at = EXCLUDED.finished_at)"
/* Sorted, so that two batches with the same large values do not wait for each other in a circle. */
#define STORE_STEP_PAYLOADS(fence)                                                                 \
	"large AS (INSERT INTO payload (tenant_id, day, sha256, data)"                             \
	" SELECT s.tenant_id, s.day, sha256(v), v FROM s JOIN " fence " f ON f.o = s.o,"           \
	" LATERAL (VALUES (s.input), (s.output)) AS t(v) WHERE length(v) > 8192"                   \
	" ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING)"

#endif
