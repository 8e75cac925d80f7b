/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The closed sets of states. The numbers are stored in PostgreSQL as smallint: never renumber, only
 * append. Each set has a name (lower case, as in the API) and a parser of names. Zero is always a
 * valid first value.
 */
#ifndef PB_MODEL_STATUS_H
#define PB_MODEL_STATUS_H

#include "base/macro.h"

enum model_execution_status {
	MODEL_EXECUTION_QUEUED = 0,  /* accepted and durable; nobody has begun */
	MODEL_EXECUTION_RUNNING = 1, /* a worker holds the lease */
	MODEL_EXECUTION_WAITING = 2, /* nothing to do before run_at or a message; see the reason */
	MODEL_EXECUTION_SUCCEEDED = 3, /* final */
	MODEL_EXECUTION_FAILED = 4,    /* final */
	MODEL_EXECUTION_CANCELLED = 5, /* final */
	MODEL_EXECUTION_STATUS_COUNT,
};

enum model_wait_reason {
	MODEL_WAIT_NONE = 0, /* not waiting */
	MODEL_WAIT_TIMER = 1,
	MODEL_WAIT_CALLBACK = 2,
	MODEL_WAIT_APPROVAL = 3,
	MODEL_WAIT_RETRY = 4,
	MODEL_WAIT_CONNECTOR_DISABLED = 5,
	MODEL_WAIT_RATE_LIMITED = 6,
	MODEL_WAIT_DECISION = 7, /* a step's outcome is unknown and somebody must say */
	MODEL_WAIT_REASON_COUNT,
};

enum model_step_status {
	MODEL_STEP_PENDING = 0,  /* an incoming edge is undecided */
	MODEL_STEP_RUNNING = 1,  /* an attempt is under way */
	MODEL_STEP_RETRYING = 2, /* between two attempts */
	MODEL_STEP_WAITING = 3,  /* for a timer, a callback, an approval, a connector */
	MODEL_STEP_SUCCEEDED = 4,
	MODEL_STEP_FAILED = 5,
	MODEL_STEP_SKIPPED = 6, /* no incoming edge fired */
	MODEL_STEP_CANCELLED = 7,
	MODEL_STEP_OUTCOME_UNKNOWN = 8, /* it may have happened; not final: a decision ends it */
	MODEL_STEP_STATUS_COUNT,
};

/* Did the far side change? */
enum model_effect {
	MODEL_EFFECT_NONE = 0,
	MODEL_EFFECT_MAYBE = 1,
	MODEL_EFFECT_DONE = 2,
	MODEL_EFFECT_COUNT,
};

/* The SDK's closed set (same numbers as its statuses) and what only the host can see. */
enum model_error_class {
	MODEL_ERROR_OK = 0,
	MODEL_ERROR_INVALID_INPUT = 1,
	MODEL_ERROR_AUTH_EXPIRED = 2,
	MODEL_ERROR_AUTH_DENIED = 3,
	MODEL_ERROR_RATE_LIMITED = 4,
	MODEL_ERROR_TRANSIENT = 5,
	MODEL_ERROR_PERMANENT = 6,
	MODEL_ERROR_CANCELLED = 7,
	MODEL_ERROR_UNSUPPORTED = 8,
	MODEL_ERROR_INTERNAL = 9,
	MODEL_ERROR_TIMEOUT = 10, /* the deadline passed */
	MODEL_ERROR_CRASHED = 11, /* the runner died */
	MODEL_ERROR_CLASS_COUNT,
};

/* Never NULL: "unknown" for a number outside the set (a newer host wrote it). [any-thread] */
const char *model_execution_status_name(enum model_execution_status s);
const char *model_wait_reason_name(enum model_wait_reason r);
const char *model_step_status_name(enum model_step_status s);
const char *model_effect_name(enum model_effect e);
const char *model_error_class_name(enum model_error_class c);

/* Exact names only. False leaves *ret alone. [any-thread] */
bool model_execution_status_parse(const char *s, enum model_execution_status *ret) pb_must_check;
bool model_wait_reason_parse(const char *s, enum model_wait_reason *ret) pb_must_check;
bool model_step_status_parse(const char *s, enum model_step_status *ret) pb_must_check;
bool model_effect_parse(const char *s, enum model_effect *ret) pb_must_check;
bool model_error_class_parse(const char *s, enum model_error_class *ret) pb_must_check;

/* Nothing changes any more. OUTCOME_UNKNOWN is not final. */
bool model_execution_status_is_final(enum model_execution_status s);
bool model_step_status_is_final(enum model_step_status s);
/* The class alone allows another attempt (the effect still decides): RATE_LIMITED, TRANSIENT,
 * TIMEOUT, CRASHED, AUTH_EXPIRED. Everything else, unknown numbers too, is permanent. */
bool model_error_class_is_retryable(enum model_error_class c);

#endif
