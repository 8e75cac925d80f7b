/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executions from accept to end, for the API and for `main`. The truth is in PostgreSQL; the queue
 * only says "look at this row now"; everything held here in memory may be lost at any moment (see
 * engine_core.h for the rules that make that harmless).
 */
#ifndef PB_ENGINE_H
#define PB_ENGINE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/str.h"
#include "engine/engine_core.h"

struct bus;
struct connectors;
struct crypto_secret;
struct engine;
struct expr_host;
struct pg_pool;
struct pg_writer;

struct engine_cfg {
	struct pg_writer *writer; /* engine's role; borrowed, as all of these */
	struct pg_pool *engine_pool, *api_pool;
	const char *leader_url; /* engine's role, for the sweeper's session lock */
	struct bus *bus;
	struct connectors *connectors;
	const struct crypto_secret *idempotency_key; /* 32 bytes, for HMAC */
	const struct expr_host *expr_host;
	bool run_worker, run_schedule;
	uint32_t worker_threads;     /* 0 = 2 */
	uint32_t executions_max;     /* in flight in this process; 0 = 4000 */
	uint32_t sync_wait_max;      /* callers that wait for a result; 0 = 128 */
	int64_t lease_us;            /* 0 = 15 s */
	int64_t redispatch_after_us; /* 0 = 5 s */
	int64_t sweep_interval_us;   /* 0 = 500 ms */
	uint32_t keep_days;          /* history kept; 0 = 30 */
	/* True when @tenant has a connection with this name or id for the connector; for checks at
	 * save. PB_E_NOT_FOUND connection.not_found, PB_E_UNPROCESSABLE connection.wrong_connector,
	 * others transient. */
	enum pb_status (*check_connection)(void *arg, struct pb_uuid tenant, const char *name,
					   const char *connector, struct pb_err *err);
	void *arg;
};

/* Starts nothing yet. Errors: none but PB_E_INVALID engine.config. Owner: *ret owned. [main] */
enum pb_status engine_new(const struct engine_cfg *cfg, struct engine **ret,
			  struct pb_err *err) pb_must_check;
void engine_start(struct engine *e);
/* Takes no new work and waits until what is in flight has ended or @deadline_us (pb_mono_us); what
 * is left is picked up by others when its lease ends. [main] */
void engine_drain(struct engine *e, int64_t deadline_us);
/* Ends the engine's threads. Then the connectors and the writer can go, whose last answers still come here;
 * then engine_free. [main] */
void engine_stop(struct engine *e);
void engine_free(struct engine *e);
PB_DEFINE_AUTOPTR(engine, engine_free);

/* ---- saving a workflow ---- */

/*
 * Everything that can be known before a workflow runs: shape, graph, expressions, actions,
 * parameters, connections. All faults go to @problems with JSON Pointers. Errors:
 * PB_E_UNPROCESSABLE workflow.invalid (see @problems), PB_E_INVALID json.*, PB_E_TOO_LARGE,
 *          PB_E_UNAVAILABLE.
 * Owner:   *ret_name and *ret_trigger_type ("webhook", "manual") live in @arena.
 * Threads: [any-thread]; needs up to 128 KB of stack: not on a web server's thread
 */
enum pb_status engine_check_workflow(struct engine *e, struct pb_uuid tenant,
				     struct pb_slice definition, struct pb_arena *arena,
				     struct pb_problems *problems, const char **ret_name,
				     const char **ret_trigger_type,
				     struct pb_err *err) pb_must_check;

/* What the webhook route must know of a published version; cached. */
struct engine_trigger_info {
	bool is_webhook;
	unsigned methods;  /* enum model_method bits */
	bool wants_result; /* answer with the output, not 202 */
	int64_t result_deadline_us;
};
/* Reads and compiles it when it is not in memory: up to 128 KB of stack, not on a web server's thread. */
enum pb_status engine_trigger_info(struct engine *e, struct pb_uuid tenant, struct pb_uuid workflow,
				   int32_t version, struct engine_trigger_info *ret,
				   struct pb_err *err) pb_must_check;
/* Only from memory, on any stack; false when it is not there. */
bool engine_trigger_info_cached(struct engine *e, struct pb_uuid tenant, struct pb_uuid workflow,
				int32_t version, struct engine_trigger_info *ret) pb_must_check;

/* ---- accepting ---- */

struct engine_accept_request {
	struct pb_uuid tenant, workflow;
	int32_t version;
	struct pb_slice trigger;           /* JSON object, complete: {"method":...,"body":...} */
	struct pb_uuid retry_of;           /* nil = none */
	struct pb_slice retry_from;        /* step id; empty = what did not succeed */
	struct pb_slice idempotency_scope; /* empty = no key */
	uint8_t idempotency_key_hash[32];
	uint8_t idempotency_request_hash[32];
	int64_t wait_us;            /* 0 = return after the commit; else wait for the end */
	int64_t commit_deadline_us; /* pb_mono_us; 0 = 5 s from now */
};

struct engine_accepted {
	struct pb_uuid id;
	bool duplicate; /* the same key came before: id is that execution's */
	/* with wait_us: */
	bool ended; /* false: the deadline came first */
	enum model_execution_status status;
	struct pb_slice result; /* JSON in the arena given, p == NULL when there is none */
	struct pb_slice error;  /* JSON {"code","message","step"} */
};

/*
 * After PB_OK the execution is durable (P1).
 * Errors:  PB_E_UNAVAILABLE database.* / engine.wait_full (nothing was accepted) /
 * engine.outcome_unknown (it may or may not have been); PB_E_CONFLICT idempotency.conflict;
 * PB_E_TOO_LARGE. Threads: [any-thread], blocks until the commit, and then up to wait_us
 */
enum pb_status engine_accept(struct engine *e, const struct engine_accept_request *req,
			     struct pb_arena *arena, struct engine_accepted *ret,
			     struct pb_err *err) pb_must_check;

/* ---- changing what runs ---- */

/* PB_E_NOT_FOUND execution.not_found, PB_E_CONFLICT execution.final. Cancelling twice is fine. */
enum pb_status engine_cancel(struct engine *e, struct pb_uuid tenant, struct pb_uuid execution,
			     struct pb_err *err) pb_must_check;

/*
 * For a step that is outcome_unknown. @output is JSON (p == NULL is null), only for mark_succeeded.
 * Errors: PB_E_NOT_FOUND execution.not_found / execution.step_unknown, PB_E_CONFLICT
 * execution.final / execution.no_decision_wanted.
 */
enum pb_status engine_decide(struct engine *e, struct pb_uuid tenant, struct pb_uuid execution,
			     const char *step, enum engine_decision decision,
			     struct pb_slice output, struct pb_err *err) pb_must_check;

/*
 * A new execution that keeps the committed results. Of @req only tenant, retry_from and the idempotency key are read.
 * Errors: PB_E_NOT_FOUND execution.not_found, PB_E_CONFLICT execution.not_final, and engine_accept's.
 */
enum pb_status engine_retry(struct engine *e, struct pb_uuid execution,
			    const struct engine_accept_request *req, struct engine_accepted *ret,
			    struct pb_err *err) pb_must_check;

/* ---- notices from outside ---- */

/* A connector takes calls again: wakes what waits for it, here and in the database. [any-thread] */
void engine_connector_ready(struct engine *e, const char *connector);
/* The output of the last succeeded step, given rows in position order. Borrowed; p == NULL when
 * none. */
struct store_step;
struct pb_slice engine_result_of_steps(const struct store_step *steps, size_t n);

struct engine_stats {
	uint64_t claimed, started, succeeded, failed, cancelled, parked, fenced, recovered,
		dispatched;
	uint32_t active, waiting_callers;
	bool leading;
};
void engine_stats(struct engine *e, struct engine_stats *ret);

#endif
