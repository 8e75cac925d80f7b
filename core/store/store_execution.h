/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executions while they live: accept, claim, checkpoint, finish, renew. For the engine (and the
 * API, which accepts). All writes go through the group-commit writer of the engine's role and are
 * fenced by the lease (owner + epoch); each may run twice with the same result, because the writer
 * repeats what it is not sure of.
 *
 * The row of a live execution has ONE time the sweeper looks at, due_at: queued -> when to dispatch
 * again; running -> the lease's end; waiting -> when to wake, or infinity. All times are the
 * database's.
 *
 * Surprising: a parked row keeps its last owner and epoch. That is how a repeated checkpoint knows
 * itself.
 */
#ifndef PB_STORE_EXECUTION_H
#define PB_STORE_EXECUTION_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "model/status.h"
#include "pg/pg_pool.h"
#include "pg/pg_writer.h"

#define STORE_HASH_BYTES 32
/* Values longer than this are stored once a day and tenant, outside the rows. */
#define STORE_INLINE_BYTES 8192
/* Longer trigger data, inputs and outputs are refused (PB_E_TOO_LARGE store.value_too_large). */
#define STORE_VALUE_BYTES (8u * 1024 * 1024)

/* ---- accept -------------------------------------------------------------------------------------
 */

struct store_accept {
	struct pb_uuid tenant_id, id; /* id: version 7, made now */
	struct pb_uuid workflow_id;
	int32_t workflow_version;
	int16_t mode;               /* the engine's own numbers (durable, express, test, ...) */
	struct pb_uuid retry_of;    /* nil: none */
	struct pb_slice retry_from; /* step id to start again from; empty: the failed one */
	int64_t seed;
	struct pb_slice trigger; /* exact bytes */
	/* The first dispatch is published by the caller after APPLIED; the sweeper does it after
	 * this. */
	int64_t redispatch_after_us; /* 0: 10 s */
	/* Sync path: owner not nil = running at once, epoch 1, leased to owner. */
	struct pb_uuid lease_owner, lease_token;
	int64_t lease_us;
	/* Idempotency: idem_scope empty = none. Scope is "hook:<id>", "api:POST /x", ... */
	struct pb_slice idem_scope;
	uint8_t idem_key_hash[STORE_HASH_BYTES];
	uint8_t idem_request_hash[STORE_HASH_BYTES];
	int64_t idem_keep_us; /* 0: 24 h */
};

enum store_accept_result {
	STORE_ACCEPT_NEW,       /* a row was made (dispatch number 1) */
	STORE_ACCEPT_DUPLICATE, /* the same key came before with the same request: id is that
				   execution's */
	STORE_ACCEPT_CONFLICT,  /* the same key came before with another request */
};

/* @outcome APPLIED: @result and @id are valid. Never NOT_APPLIED. FAILED, UNKNOWN: @err says why.
 */
typedef void store_accept_fn(void *arg, enum pg_outcome outcome, enum store_accept_result result,
			     struct pb_uuid id, const struct pb_err *err);

/*
 * Stores a new execution, and after the callback says APPLIED it is durable.
 * Owner:   everything in @a is copied. @done is called exactly once on a writer thread, unless this
 * fails. Errors:  PB_E_UNAVAILABLE database.queue_full, PB_E_TOO_LARGE store.value_too_large Units:
 * @deadline_us as pb_mono_us, 0 for ever (see pg_writer_submit). Threads: [any-thread]
 */
enum pb_status store_accept_submit(struct pg_writer *w, const struct store_accept *a,
				   int64_t deadline_us, store_accept_fn *done, void *arg,
				   struct pb_err *err) pb_must_check;

/* ---- claim --------------------------------------------------------------------------------------
 */

/* Borrowed during the callback: copy what is kept. */
struct store_claimed {
	int32_t epoch; /* 1: nobody ran it before, it has no steps; > 1: store_steps_load first */
	int32_t recoveries; /* how often a lease ran out under it */
	int32_t strikes;    /* of those: in a row, since the last checkpoint */
	int32_t dispatch;
	struct pb_uuid workflow_id;
	int32_t workflow_version;
	int16_t mode;
	struct pb_uuid retry_of; /* nil: none */
	struct pb_slice retry_from;
	int64_t seed;
	struct pb_slice trigger;
	bool has_signal;
	int64_t created_at, started_at, now; /* database time, us since 1970 */
};

/* APPLIED: leased. NOT_APPLIED: not queued (a duplicate message, finished, held, waiting):
 * acknowledge it. */
typedef void store_claim_fn(void *arg, enum pg_outcome outcome, const struct store_claimed *c,
			    const struct pb_err *err);

/*
 * Takes the lease of a queued execution, or of a running one whose lease has run out. The same
 * @lease_token again gives the same lease again. Any queued dispatch may be claimed by any message.
 * Errors, Owner, Threads: as store_accept_submit.
 */
enum pb_status store_claim_submit(struct pg_writer *w, struct pb_uuid tenant_id, struct pb_uuid id,
				  struct pb_uuid owner, struct pb_uuid lease_token,
				  int64_t lease_us, int64_t deadline_us, store_claim_fn *done,
				  void *arg, struct pb_err *err) pb_must_check;

/* ---- steps --------------------------------------------------------------------------------------
 */

/* One row of step_run, written whole; but an input or output that is absent (p == NULL) keeps the
 * stored one. */
struct store_step {
	struct pb_slice step_id;
	struct pb_slice item; /* loop path, "" outside loops */
	enum model_step_status status;
	int16_t wait_reason;      /* enum model_wait_reason */
	int32_t attempt;          /* begun so far */
	struct pb_slice attempts; /* JSON array, kept as given; p == NULL: keeps the stored one */
	struct pb_slice input, output;   /* exact bytes */
	struct pb_slice error;           /* JSON or p == NULL (then NULL is stored) */
	struct pb_slice idempotency_key; /* text */
	struct pb_slice connector, connector_version;
	int64_t next_attempt_at, started_at, finished_at; /* us since 1970, 0 = none */
	int32_t position; /* order for people; the engine's choice */
};

/*
 * All step rows of an execution, live or finished (for retry_of too), by position, step and item.
 * Owner:   *ret_steps and all bytes in @arena.
 * Errors:  database.* of pg_pool.h, PB_E_TOO_LARGE store.too_large (the arena's limit)
 * Threads: [any-thread]; @pool is the engine's (or the API's: the tenant is set)
 */
enum pb_status store_steps_load(struct pg_pool *pool, struct pb_uuid tenant_id,
				struct pb_uuid execution_id, struct pb_arena *arena,
				struct store_step **ret_steps, size_t *ret_n,
				struct pb_err *err) pb_must_check;

/* ---- checkpoint, finish, renew ------------------------------------------------------------------
 */

struct store_lease {
	struct pb_uuid tenant_id, id, owner;
	int32_t epoch;
};

#define STORE_DUE_INFINITY INT64_MAX
#define STORE_DUE_KEEP     INT64_MIN

struct store_checkpoint {
	struct store_lease lease;
	enum model_execution_status
		status; /* RUNNING keeps the lease, WAITING or QUEUED gives it up */
	enum model_wait_reason wait_reason;
	/* From the database's now, >= 0: the lease's new end (RUNNING), when to wake (WAITING),
	 * when the sweeper dispatches (QUEUED). STORE_DUE_KEEP (RUNNING only) leaves the lease as
	 * it is. */
	int64_t due_in_us;
	const struct store_step *steps;
	size_t n_steps;
	const struct pb_uuid *consumed; /* signals that this checkpoint has taken in: removed */
	size_t n_consumed;
};

struct store_checkpointed {
	bool has_signal; /* more signals are stored: load them */
	/* WAITING was asked for but a signal had come: the row is queued instead, publish this
	 * dispatch. */
	bool requeued;
	int32_t dispatch;
};

/* NOT_APPLIED: fenced, somebody else has the execution: forget it. */
typedef void store_checkpoint_fn(void *arg, enum pg_outcome outcome,
				 const struct store_checkpointed *c, const struct pb_err *err);

/* Stores the state and the steps together. Errors, Owner, Threads: as store_accept_submit. */
enum pb_status store_checkpoint_submit(struct pg_writer *w, const struct store_checkpoint *c,
				       int64_t deadline_us, store_checkpoint_fn *done, void *arg,
				       struct pb_err *err) pb_must_check;

struct store_finish {
	struct store_lease lease;
	enum model_execution_status status; /* final */
	struct pb_slice result;             /* exact bytes or p == NULL */
	struct pb_slice error;              /* JSON or p == NULL */
	const struct store_step *steps;
	size_t n_steps;
};

/* APPLIED: the execution is in the history with this end. NOT_APPLIED: fenced. @finished_at:
 * database time. */
typedef void store_finish_fn(void *arg, enum pg_outcome outcome, int64_t finished_at,
			     const struct pb_err *err);

/* Moves the execution to the history with its last steps; its signals go. Errors, ...: as above. */
enum pb_status store_finish_submit(struct pg_writer *w, const struct store_finish *f,
				   int64_t deadline_us, store_finish_fn *done, void *arg,
				   struct pb_err *err) pb_must_check;

/* NOT_APPLIED: fenced. */
typedef void store_renew_fn(void *arg, enum pg_outcome outcome, bool has_signal,
			    const struct pb_err *err);
enum pb_status store_renew_submit(struct pg_writer *w, const struct store_lease *lease,
				  int64_t lease_us, int64_t deadline_us, store_renew_fn *done,
				  void *arg, struct pb_err *err) pb_must_check;

#endif
