/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One execution while this process holds its lease: the shell around the core. Everything that happens to it
 * arrives as a message in its inbox; one worker thread at a time empties the inbox, so inside there are no locks.
 */
#ifndef PB_ENGINE_RUN_H
#define PB_ENGINE_RUN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/list.h"
#include "engine/engine_core.h"
#include "engine/engine_plan.h"
#include "store/store_execution.h"

struct bus_msg;
struct connector_action;
struct connector_call;
struct connector_call_result;
struct engine;

/* Trigger, parameters and outputs of one run together. */
#define RUN_ARENA_BYTES ((size_t)64 * 1024 * 1024)
/* Errors: there is room to say so when the other is full. */
#define RUN_ERRORS_BYTES ((size_t)4 * 1024 * 1024)
/* Signals taken in and not yet removed by a commit. */
#define RUN_CONSUMED_MAX 64

/* What the shell keeps of a step beside the core's state. Bytes live in the run's arenas. */
struct run_step {
	struct pb_slice input, output, error;
	const struct pb_json *output_json, *error_json;
	struct pb_buf attempts; /* JSON array; empty when none */
	char key[65];           /* idempotency key, hex; "" until the first attempt */
	const char *connector, *connector_version;
	struct connector_action *action;
	struct connector_call *call;
	int64_t attempt_started_us; /* wall clock */
	int64_t started_us, finished_us;
};

enum run_msg_kind {
	RUN_MSG_BEGIN,
	RUN_MSG_CALL_DONE,
	RUN_MSG_COMMITTED,
	RUN_MSG_FENCED,
	RUN_MSG_RENEWED,
	RUN_MSG_TIMER,
	RUN_MSG_SIGNAL, /* look at the stored signals */
	RUN_MSG_WAKE,   /* a connector is back */
};

/* Owner: whoever holds it; run_post takes it. */
struct run_msg {
	struct pb_list node;
	enum run_msg_kind kind;
	uint16_t step;
	struct engine_core_event event; /* CALL_DONE: what the core is told */
	struct pb_slice output;         /* CALL_DONE: JSON, inside the same block */
	struct pb_slice error;          /* CALL_DONE: JSON, inside the same block */
	struct pb_slice attempt;        /* CALL_DONE: JSON of the attempt, same block */
	bool has_signal, requeued;      /* COMMITTED, RENEWED */
	int32_t dispatch;
	int64_t lease_until_us; /* RENEWED */
};

struct engine_run {
	uint32_t magic;
	uint32_t
		refs; /* atomic: the engine's table, and one for each answer that is still to come */
	struct engine *engine;

	/* under the engine's lock */
	struct pb_list active_node, runnable_node;
	struct pb_list inbox;
	bool runnable; /* in the queue or in a worker's hands */
	bool over;
	bool renewing;
	/* monotonic, counted from before the request: the database's is later. Written by the worker with
	 * the lock, so the worker may read it without; the connector's thread reads it, hence atomic */
	int64_t lease_until_us;

	/* the worker's alone */
	struct store_lease lease;
	bool begun;
	struct bus_msg *msg; /* acknowledged when the run is over */
	struct pb_uuid workflow_id, retry_of;
	int32_t workflow_version;
	char *retry_from;
	int64_t seed, created_at_us, started_at_us;
	int32_t strikes;
	bool has_signal;
	struct pb_slice trigger_text;
	char *trigger_block; /* owns trigger_text */

	struct engine_plan *plan;
	struct engine_core core;
	struct engine_core_step *core_steps;
	struct run_step *steps;
	struct pb_arena arena, errors;
	const struct pb_json *trigger, *execution;
	struct pb_uuid consumed[RUN_CONSUMED_MAX];
	size_t n_consumed, n_consumed_sent;
	struct engine_core_event *pending; /* a ring of plan->n_steps + 1: answers of pure work */
	uint16_t pending_head, n_pending;
	enum model_execution_status final; /* of the FINISH under way */
	struct engine_core_cmd commit;     /* the one under way */
	uint32_t connectors_ready;         /* the engine's count when the last call left */
	bool commit_refused;           /* the writer had no room: tried again at the next timer */
	struct pb_slice result, error; /* of the same */
};
#define ENGINE_RUN_MAGIC 0x52554e31u

/* Made on the writer's thread from the claim; all bytes are copied. Owner: one reference. */
struct engine_run *run_new(struct engine *e, const struct store_lease *lease,
			   const struct store_claimed *c, int64_t lease_until_us,
			   struct bus_msg *msg);
struct engine_run *run_ref(struct engine_run *r);
void run_unref(struct engine_run *r);

struct run_msg *run_msg_new(enum run_msg_kind kind, size_t extra_bytes);
/* Puts a message into the inbox and the run into the queue. @m taken. [any-thread] */
void run_post(struct engine_run *r, struct run_msg *m);

/* [worker], with the run in hand */
void run_handle(struct engine_run *r, const struct run_msg *m);
/* Feeds the core and performs what comes out, answers of pure work included. */
void run_feed(struct engine_run *r, struct engine_core_event ev);

/* engine_run_load.c: from the database into the core; false when the run was given back or ended. */
bool run_load(struct engine_run *r);
void run_take_signals(struct engine_run *r);
/* engine_run_step.c: pure work */
void run_evaluate(struct engine_run *r, const struct engine_core_cmd *cmd);
void run_prepare(struct engine_run *r, const struct engine_core_cmd *cmd);
void run_set_error(struct engine_run *r, uint16_t step, const char *code, const char *cls,
		   const char *message, const char *pointer);
/* engine_run_call.c */
void run_call(struct engine_run *r, const struct engine_core_cmd *cmd);
void run_call_done(struct engine_run *r, const struct run_msg *m);
/* engine_run_commit.c */
void run_commit(struct engine_run *r, const struct engine_core_cmd *cmd);
void run_renew(struct engine_run *r);
/* Gives the lease back untouched, to be dispatched again after @delay_us. */
void run_release(struct engine_run *r, int64_t delay_us);
/* Ends as failed without having run a step. */
void run_fail_whole(struct engine_run *r, const char *code, const char *message);
/* Queues an answer of pure work behind the event that is being handled. */
void run_answer(struct engine_run *r, struct engine_core_event ev);

#endif
