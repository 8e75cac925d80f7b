/* SPDX-License-Identifier: Apache-2.0 */
/* Callers that wait for the end of an execution, by its id. */
#ifndef PB_ENGINE_WAITER_H
#define PB_ENGINE_WAITER_H

#include "base/id.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/str.h"
#include "model/status.h"

#define ENGINE_WAITER_BUCKETS 256

/* Memory of the caller that waits. */
struct engine_waiter {
	struct pb_list node;
	struct pb_uuid tenant, id;
	bool ended;      /* it ended; the result may still have to be read from the database */
	bool has_result; /* the fields below are set */
	enum model_execution_status status;
	char *result, *error; /* heap, taken by the waiter; NULL when there is none */
	size_t result_len, error_len;
	struct pb_cond cond;
};

struct engine_waiters {
	struct pb_mutex lock;
	struct pb_list buckets[ENGINE_WAITER_BUCKETS];
	uint32_t n, max;
	bool closed;
};

void engine_waiters_init(struct engine_waiters *w, uint32_t max);
void engine_waiters_done(struct engine_waiters *w);
/* False when too many wait already, or one tenant holds an eighth of the room. */
bool engine_waiters_add(struct engine_waiters *w, struct engine_waiter *waiter,
			struct pb_uuid tenant, struct pb_uuid id);
/* True when it ended before @deadline_us (pb_mono_us). Always leaves the table. */
bool engine_waiters_wait(struct engine_waiters *w, struct engine_waiter *waiter,
			 int64_t deadline_us);
/* True when it ended, or the host stops, before @until_us. Never leaves the table. */
bool engine_waiters_stay(struct engine_waiters *w, struct engine_waiter *waiter, int64_t until_us);
void engine_waiters_remove(struct engine_waiters *w, struct engine_waiter *waiter);
/* The end, seen here: with its result. Costs one bucket when nobody waits. [any-thread] */
void engine_waiters_end(struct engine_waiters *w, struct pb_uuid id,
			enum model_execution_status status, struct pb_slice result,
			struct pb_slice error);
/* The end, heard from another host. [any-thread] */
void engine_waiters_hear(struct engine_waiters *w, struct pb_uuid id);
/* Wakes everybody: the host stops. */
void engine_waiters_close(struct engine_waiters *w);
uint32_t engine_waiters_count(struct engine_waiters *w);

#endif
