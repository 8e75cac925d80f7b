/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that the repositories of executions share. */
#include "store/store_private.h"
#include "base/clock.h"
#include "base/base.h"

#define MS_PER_DAY UINT64_C(86400000)
#define DAY_MAX    2932896 /* 9999-12-31: an id of nonsense must still be a date PostgreSQL takes */

int32_t store_uuid_day(struct pb_uuid id)
{
	uint64_t day = pb_uuid7_unix_ms(id) / MS_PER_DAY;

	return (int32_t)PB_MIN(day, (uint64_t)DAY_MAX);
}

enum pb_status store_value_check(struct pb_slice v, struct pb_err *err)
{
	if (v.len <= STORE_VALUE_BYTES)
		return PB_OK;
	return pb_err_set(err, PB_E_TOO_LARGE, "store.value_too_large",
			  "a value of %zu bytes is larger than the %u that can be kept", v.len,
			  STORE_VALUE_BYTES);
}

enum pb_status store_arena_check(const struct pb_arena *arena, struct pb_err *err)
{
	if (!arena->overflow)
		return PB_OK;
	return pb_err_set(err, PB_E_TOO_LARGE, "store.too_large",
			  "the data is larger than what may be loaded");
}

void store_row_slice(struct pg_rowset *r, struct pb_slice v)
{
	pg_row_bytes(r, v.p, v.len);
}

enum pb_status store_step_rows(struct pg_rowset *rows, int group, const struct store_lease *lease,
			       const struct store_step *steps, size_t n, struct pb_err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct store_step *s = &steps[i];
		enum pb_status st = store_value_check(s->input, err);

		if (st == PB_OK)
			st = store_value_check(s->output, err);
		if (st)
			return st;

		pg_row(rows, group);
		pg_row_uuid(rows, lease->tenant_id);
		pg_row_uuid(rows, lease->id);
		pg_row_date(rows, store_uuid_day(lease->id));
		pg_row_bytes(rows, s->step_id.p ? s->step_id.p : "", s->step_id.len);
		pg_row_bytes(rows, s->item.p ? s->item.p : "", s->item.len);
		pg_row_i16(rows, (int16_t)s->status);
		pg_row_i16(rows, s->wait_reason);
		pg_row_i32(rows, s->attempt);
		pg_row_i32(rows, s->position);
		store_row_slice(rows, s->attempts);
		store_row_slice(rows, s->input);
		store_row_slice(rows, s->output);
		store_row_slice(rows, s->error);
		store_row_slice(rows, s->idempotency_key);
		store_row_slice(rows, s->connector);
		store_row_slice(rows, s->connector_version);
		pg_row_time_or_null(rows, s->next_attempt_at);
		pg_row_time_or_null(rows, s->started_at);
		pg_row_time_or_null(rows, s->finished_at);
	}
	return PB_OK;
}
