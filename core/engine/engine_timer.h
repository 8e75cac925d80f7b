/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap of (time, run). No locking: the engine's lock guards it. */
#ifndef PB_ENGINE_TIMER_H
#define PB_ENGINE_TIMER_H

#include "base/macro.h"

struct engine_run;

struct engine_timer {
	int64_t at_us; /* monotonic */
	struct engine_run *run;
};

/* Invariant: v is a heap by at_us; v[0] is the earliest. */
struct engine_timers {
	struct engine_timer *v;
	size_t n, cap;
};

void engine_timers_done(struct engine_timers *t);
/* @run is stored as it is: the caller has taken the reference that it stands for. */
void engine_timers_add(struct engine_timers *t, int64_t at_us, struct engine_run *run);
/* The earliest if it is due at @now_us. */
bool engine_timers_pop(struct engine_timers *t, int64_t now_us, struct engine_run **ret);
/* When the earliest is due, INT64_MAX when there is none. */
int64_t engine_timers_next(const struct engine_timers *t);

#endif
