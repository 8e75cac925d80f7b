/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's object as its own files see it. */
#ifndef PB_ENGINE_INTERNAL_H
#define PB_ENGINE_INTERNAL_H

#include <pthread.h>

#include "base/list.h"
#include "base/lock.h"
#include "engine/engine.h"
#include "engine/engine_cache.h"
#include "engine/engine_timer.h"
#include "engine/engine_waiter.h"

struct engine_run;

#define ENGINE_WORKERS_MAX 16

struct engine {
	uint32_t magic;
	struct engine_cfg cfg;
	struct pb_uuid owner; /* of this process's leases; new at each start */
	struct engine_cache *plans;
	struct engine_waiters waiters;

	struct pb_mutex lock; /* everything below */
	struct pb_cond work, idle, tick, sweep_tick;
	struct pb_list active, runnable;
	uint32_t connectors_ready; /* grows with each engine_connector_ready */
	uint32_t n_active, n_claiming, n_busy;
	bool stopping, draining, started;
	struct engine_timers timers;
	struct engine_stats stats;

	uint32_t n_workers;
	pthread_t workers[ENGINE_WORKERS_MAX];
	pthread_t timer_thread, sweep_thread;
};
#define ENGINE_MAGIC 0x454e4749u

/* engine_worker.c */
void engine_workers_start(struct engine *e);
void engine_workers_stop(struct engine *e);
/* The run has ended here: out of the table, its message acknowledged. [worker] */
void engine_run_over(struct engine *e, struct engine_run *r);
/* Puts a new run into the table and queues its RUN_MSG_BEGIN. @r taken. [any-thread] */
void engine_run_add(struct engine *e, struct engine_run *r);
void engine_set_timer(struct engine *e, struct engine_run *r, int64_t at_mono_us);

/* engine_dispatch.c */
void engine_dispatch_start(struct engine *e);
void engine_dispatch_stop(struct engine *e);
/* Tells the bus how many more executions fit. [any-thread] */
void engine_offer_room(struct engine *e);
/* A slot for an execution that this host leases while accepting it; false when there is none. */
bool engine_reserve_slot(struct engine *e);
void engine_release_slot(struct engine *e);

/* engine_signal.c: how often a connector has come back; a change since a call left means "look again". */
uint32_t engine_connectors_ready(struct engine *e);

/* engine_sweep.c */
void *engine_sweep_main(void *arg);

#endif
