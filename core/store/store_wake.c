/* SPDX-License-Identifier: Apache-2.0 */
/* One statement: what waits for a reason becomes due (see the header). */
#include "store/store_wake.h"

#include "base/base.h"

static const struct pg_stmt stmt_wake = {
	.name = "execution_wake",
	.sql = "UPDATE execution SET due_at = now() WHERE (status + 0) = $1 AND wait_reason = $2"
	       " AND due_at > now()",
};

enum pb_status store_wake_waiting(struct pg_pool *engine_pool, enum model_wait_reason reason,
				  struct pb_err *err)
{
	pg_auto_args args = PG_ARGS_INIT;

	pg_arg_i32(&args, MODEL_EXECUTION_WAITING);
	pg_arg_i16(&args, (int16_t)reason);
	return pg_query(engine_pool, NULL, &stmt_wake, &args, NULL, err);
}
