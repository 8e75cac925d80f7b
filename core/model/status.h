/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of executions, steps and attempts, as API, engine and database share them. The numbers
 * are stored in smallint columns: they are never renumbered, new ones are appended.
 */
#ifndef PATCHBAY_MODEL_STATUS_H
#define PATCHBAY_MODEL_STATUS_H

#include "base/macro.h"

enum model_execution_status {
	MODEL_EXECUTION_QUEUED = 1,    /* accepted; waits for a worker */
	MODEL_EXECUTION_RUNNING = 2,   /* a worker holds its lease */
	MODEL_EXECUTION_WAITING = 3,   /* nobody holds it; see the wait reason */
	MODEL_EXECUTION_SUCCEEDED = 4, /* final */
	MODEL_EXECUTION_FAILED = 5,    /* final: a step failed and nothing handled it */
	MODEL_EXECUTION_CANCELLED = 6, /* final: somebody asked for the end */
};

enum model_wait_reason {
	MODEL_WAIT_NONE = 0,
	MODEL_WAIT_TIMER = 1,
	MODEL_WAIT_CALLBACK = 2,
	MODEL_WAIT_APPROVAL = 3,
	MODEL_WAIT_RETRY = 4,
	MODEL_WAIT_CONNECTOR_DISABLED = 5,
	MODEL_WAIT_RATE_LIMITED = 6,
	MODEL_WAIT_DECISION = 7, /* a step is outcome_unknown */
};

enum model_step_status {
	MODEL_STEP_PENDING = 1,  /* not started; has no row */
	MODEL_STEP_RUNNING = 2,  /* in a row: the intent of a call that is not repeatable */
	MODEL_STEP_RETRYING = 3, /* an attempt failed, another comes */
	MODEL_STEP_WAITING = 4,  /* an attempt could not begin; see the wait reason */
	MODEL_STEP_SUCCEEDED = 5,
	MODEL_STEP_FAILED = 6,
	MODEL_STEP_SKIPPED = 7, /* no edge into it fired */
	MODEL_STEP_CANCELLED = 8,
	MODEL_STEP_OUTCOME_UNKNOWN = 9, /* waits for a decision */
};

/* Did the far side change? */
enum model_effect { MODEL_EFFECT_NONE = 0, MODEL_EFFECT_MAYBE = 1, MODEL_EFFECT_DONE = 2 };

/* The SDK's closed set, and what only the host can see. */
enum model_error_class {
	MODEL_ERROR_NONE = 0,
	MODEL_ERROR_INVALID_INPUT = 1,
	MODEL_ERROR_AUTH_EXPIRED = 2,
	MODEL_ERROR_AUTH_DENIED = 3,
	MODEL_ERROR_RATE_LIMITED = 4,
	MODEL_ERROR_TRANSIENT = 5,
	MODEL_ERROR_PERMANENT = 6,
	MODEL_ERROR_CANCELLED = 7,
	MODEL_ERROR_UNSUPPORTED = 8,
	MODEL_ERROR_INTERNAL = 9,
	MODEL_ERROR_CRASHED = 10, /* the runner died */
	MODEL_ERROR_TIMEOUT = 11, /* the step's deadline passed */
};

/* "queued", "outcome_unknown", "invalid_input"; NULL for a number outside the set. [any-thread] */
const char *model_execution_status_name(enum model_execution_status s);
const char *model_wait_reason_name(enum model_wait_reason r);
const char *model_step_status_name(enum model_step_status s);
const char *model_effect_name(enum model_effect e);
const char *model_error_class_name(enum model_error_class c);

/* False for any other text. [any-thread] */
bool model_execution_status_parse(const char *s, enum model_execution_status *ret) pb_must_check;
bool model_step_status_parse(const char *s, enum model_step_status *ret) pb_must_check;

bool model_execution_status_is_final(enum model_execution_status s);
/* outcome_unknown is not final: it waits for a decision. */
bool model_step_status_is_final(enum model_step_status s);

#endif
