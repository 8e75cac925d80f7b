/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heart of the engine: one execution as a pure state machine. Events go in, the state changes,
 * and commands come out. There is no I/O, clock, allocation after _init or randomness inside: time
 * and random numbers arrive in the events. The shell around it (engine_run) performs the commands
 * in production; a seeded simulator (tests/sim) performs them against crashing, duplicating,
 * reordering doubles.
 *
 * The rules that make it durable live here and nowhere else:
 *  R1 a step's result is finished only when the commit that carries it was applied;
 *  R2 no call leaves while an uncommitted result or intent exists (pure steps are exempt: they can
 * be computed again from the same inputs); R3 a call that is not repeatable is preceded by a
 * committed intent (row status `running`); R4 an intent found without a result becomes
 * `outcome_unknown`, never a second call; R5 at most one commit is in flight; a fenced commit ends
 * the run in this process without a trace; R6 no call leaves once the lease has run out by this
 * process's own clock (a paused zombie waits until a renewal says whether it is fenced).
 */
#ifndef PB_ENGINE_CORE_H
#define PB_ENGINE_CORE_H

#include "base/macro.h"
#include "model/status.h"

#define ENGINE_CORE_STEPS_MAX 256
#define ENGINE_CORE_EDGES_MAX 1024

/* Which way out of a step an edge takes. Case names of later step kinds follow behind. */
enum engine_port {
	ENGINE_PORT_NONE = -1, /* nothing fires: skipped, cancelled, failed unhandled */
	ENGINE_PORT_DONE = 0,
	ENGINE_PORT_ERROR = 1,
	ENGINE_PORT_TRUE = 2,
	ENGINE_PORT_FALSE = 3,
};

#define ENGINE_FROM_TRIGGER (-1)

struct engine_core_edge {
	int16_t from; /* step index or ENGINE_FROM_TRIGGER */
	int16_t to;
	int8_t port;
};

struct engine_core_retry {
	uint16_t max_attempts; /* 1 = no retry */
	bool jitter;
	int64_t initial_us;
	int64_t max_us;
};

struct engine_core_step_plan {
	bool is_action; /* false: pure, evaluated by the shell at once */
	bool join_any;
	bool continue_on_error;
	bool has_error_edge;
	struct engine_core_retry retry;
};

/* The graph of one workflow version. Immutable; the edges are sorted by `to`. */
struct engine_core_plan {
	uint16_t n_steps;
	uint16_t n_edges;
	const struct engine_core_step_plan *steps;
	const struct engine_core_edge *edges;
	const uint16_t
		*first_edge; /* n_steps + 1 entries: edges into step i are [first[i], first[i+1]) */
};

/* What of a step is written to its row. */
struct engine_core_row {
	enum model_step_status status;
	enum engine_port port;
	uint16_t attempts;       /* charged attempts begun so far */
	uint16_t lost;           /* attempts that a dying runner took without effect: not charged */
	int64_t next_attempt_us; /* retrying: when */
	enum model_wait_reason wait_reason;
};

/* Where a step is inside this process. Never written down. */
enum engine_core_phase {
	ENGINE_PHASE_IDLE,       /* nothing under way */
	ENGINE_PHASE_EVALUATING, /* CMD_EVAL given, no answer yet */
	ENGINE_PHASE_PREPARING,  /* CMD_PREPARE given, no answer yet */
	ENGINE_PHASE_READY,      /* prepared; the call waits for R2 and R3 */
	ENGINE_PHASE_CALLING,    /* CMD_CALL given, no answer yet */
};

struct engine_core_step {
	struct engine_core_row row;
	enum engine_core_phase phase;
	bool repeatable;   /* known once prepared */
	bool prepared;     /* the shell holds its parameters */
	bool intent;       /* an intent row is committed for the attempt under way */
	bool dirty;        /* the row differs from what was last handed to a commit */
	bool must_commit;  /* dirty, and R2 applies to it */
	bool written;      /* part of the commit in flight: the shell writes exactly these rows */
	bool in_commit;    /* written, and R2 applies to it */
	bool cancel_asked; /* CMD_CANCEL_CALL given */
};

enum engine_core_cmd_kind {
	ENGINE_CMD_EVAL,        /* evaluate a pure step -> EV_STEP_OK or EV_STEP_FAILED */
	ENGINE_CMD_PREPARE,     /* evaluate and check an action's parameters -> EV_PREPARED or
				   EV_STEP_FAILED */
	ENGINE_CMD_CALL,        /* call the connector -> EV_STEP_OK or EV_STEP_FAILED */
	ENGINE_CMD_CANCEL_CALL, /* ask a call to end; its answer still comes */
	ENGINE_CMD_TIMER,       /* -> EV_TIMER at at_us; a later one replaces it */
	ENGINE_CMD_CHECKPOINT, /* write dirty rows, keep the lease   -> EV_COMMITTED or EV_FENCED */
	ENGINE_CMD_PARK, /* write dirty rows, give up the lease -> the same, and the run is over */
	ENGINE_CMD_FINISH, /* write dirty rows and the final state -> the same, and the run is over
			    */
};

struct engine_core_cmd {
	enum engine_core_cmd_kind kind;
	uint16_t step;
	uint16_t attempt;                   /* CALL: from 1 */
	enum model_execution_status status; /* FINISH: final; PARK: waiting */
	enum model_wait_reason wait_reason; /* PARK */
	int64_t at_us;                      /* TIMER, PARK (0 = only a signal wakes it) */
	int16_t failed_step;                /* FINISH with failed: whose error it is, else -1 */
};

/* Room for every command one event can cause. */
#define ENGINE_CORE_CMDS_MAX (2 * ENGINE_CORE_STEPS_MAX + 8)

struct engine_core_cmds {
	uint16_t n;
	struct engine_core_cmd v[ENGINE_CORE_CMDS_MAX];
};

enum engine_core_event_kind {
	ENGINE_EV_START, /* once, after restoring; signals read with the claim come before it */
	ENGINE_EV_PREPARED,
	ENGINE_EV_STEP_OK,
	ENGINE_EV_STEP_FAILED,
	ENGINE_EV_COMMITTED,
	ENGINE_EV_FENCED,
	ENGINE_EV_TIMER,
	ENGINE_EV_CANCEL,
	ENGINE_EV_DECISION,
	ENGINE_EV_WAKE,    /* look again at steps that wait for a connector */
	ENGINE_EV_RENEWED, /* the lease is ours for longer: calls held back by R6 may leave */
};

enum engine_decision {
	ENGINE_DECISION_MARK_SUCCEEDED,
	ENGINE_DECISION_RETRY,
	ENGINE_DECISION_FAIL
};

struct engine_core_event {
	enum engine_core_event_kind kind;
	uint16_t step;
	int64_t now_us;
	uint64_t random;       /* for jitter */
	bool lease_lost;       /* the lease has run out by this process's monotonic clock (R6) */
	bool repeatable;       /* PREPARED */
	enum engine_port port; /* STEP_OK */
	enum model_error_class error_class; /* STEP_FAILED */
	enum model_effect effect;           /* STEP_FAILED */
	enum model_wait_reason
		wait;           /* STEP_FAILED: not a failure, wait for this (connector_disabled) */
	bool uncharged;         /* STEP_FAILED: the runner died and nothing had left */
	int64_t retry_after_us; /* STEP_FAILED: the service's own wish, 0 = none */
	enum engine_decision decision; /* DECISION */
};

/* Threads: belongs to whoever runs the execution, one thread at a time. */
struct engine_core {
	const struct engine_core_plan *plan;
	struct engine_core_step *steps; /* plan->n_steps, memory of the caller */
	bool started, cancelled, ended, fenced;
	bool commit_in_flight;
	enum engine_core_cmd_kind commit_kind;
	int64_t timer_at_us; /* 0 = none is set */
};

/* Retries wait in memory up to this long; longer waits give up the lease and live in the database.
 */
#define ENGINE_CORE_MEMORY_WAIT_US INT64_C(2000000)
/* A step that waits for a connector is looked at again after this to twice this even without a notice. */
#define ENGINE_CORE_CONNECTOR_RECHECK_US INT64_C(30000000)
/* Repeats that cost no attempt, until one does. */
#define ENGINE_CORE_LOST_MAX 20

/* @steps has plan->n_steps entries and outlives the core. */
void engine_core_init(struct engine_core *core, const struct engine_core_plan *plan,
		      struct engine_core_step *steps);
/* A row read back from the database, before EV_START. Applies R4. */
void engine_core_restore_step(struct engine_core *core, uint16_t step,
			      const struct engine_core_row *row);
/* A result kept from the execution that this one repeats: as restored, but still to be written. */
void engine_core_keep_step(struct engine_core *core, uint16_t step,
			   const struct engine_core_row *row);
/*
 * The one transition function. Commands are appended to @out (which the caller empties).
 * An event that no longer fits (an answer after FENCED, a decision on a finished step) changes
 * nothing.
 */
void engine_core_event(struct engine_core *core, const struct engine_core_event *ev,
		       struct engine_core_cmds *out);
/*
 * The execution ends as it stands, before EV_START: an intent shows as outcome_unknown, what waited is cancelled, and
 * `written` marks the rows for the shell.
 */
void engine_core_close(struct engine_core *core);
/*
 * What of a step goes into its row now. `running` is written for intents only, because that is what R4 reads it as:
 * an attempt of a repeatable call that is under way, or one not yet prepared, is written as about to be retried.
 */
struct engine_core_row engine_core_stored_row(const struct engine_core *core, uint16_t step);
/* True after FINISH or PARK was applied, or after FENCED: the run may be forgotten. */
bool engine_core_is_over(const struct engine_core *core);
/* The waiting time before attempt @attempt (from 2). Pure. */
int64_t engine_core_backoff_us(const struct engine_core_retry *retry, uint16_t attempt,
			       int64_t retry_after_us, uint64_t random);
/* Aborts when an invariant is broken. For tests and the simulator, after every event. */
void engine_core_assert_sane(const struct engine_core *core);

#endif
