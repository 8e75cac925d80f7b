/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the closed sets. One table a set; the parsers read the same tables backwards. */
#include "model/status.h"

#include "base/base.h"

static const char *const execution_names[] = {
	[MODEL_EXECUTION_QUEUED] = "queued",   [MODEL_EXECUTION_RUNNING] = "running",
	[MODEL_EXECUTION_WAITING] = "waiting", [MODEL_EXECUTION_SUCCEEDED] = "succeeded",
	[MODEL_EXECUTION_FAILED] = "failed",   [MODEL_EXECUTION_CANCELLED] = "cancelled",
};

static const char *const wait_names[] = {
	[MODEL_WAIT_NONE] = "none",
	[MODEL_WAIT_TIMER] = "timer",
	[MODEL_WAIT_CALLBACK] = "callback",
	[MODEL_WAIT_APPROVAL] = "approval",
	[MODEL_WAIT_RETRY] = "retry",
	[MODEL_WAIT_CONNECTOR_DISABLED] = "connector_disabled",
	[MODEL_WAIT_RATE_LIMITED] = "rate_limited",
	[MODEL_WAIT_DECISION] = "decision",
};

static const char *const step_names[] = {
	[MODEL_STEP_PENDING] = "pending",
	[MODEL_STEP_RUNNING] = "running",
	[MODEL_STEP_RETRYING] = "retrying",
	[MODEL_STEP_WAITING] = "waiting",
	[MODEL_STEP_SUCCEEDED] = "succeeded",
	[MODEL_STEP_FAILED] = "failed",
	[MODEL_STEP_SKIPPED] = "skipped",
	[MODEL_STEP_CANCELLED] = "cancelled",
	[MODEL_STEP_OUTCOME_UNKNOWN] = "outcome_unknown",
};

static const char *const effect_names[] = {
	[MODEL_EFFECT_NONE] = "none",
	[MODEL_EFFECT_MAYBE] = "maybe",
	[MODEL_EFFECT_DONE] = "done",
};

static const char *const error_names[] = {
	[MODEL_ERROR_OK] = "ok",
	[MODEL_ERROR_INVALID_INPUT] = "invalid_input",
	[MODEL_ERROR_AUTH_EXPIRED] = "auth_expired",
	[MODEL_ERROR_AUTH_DENIED] = "auth_denied",
	[MODEL_ERROR_RATE_LIMITED] = "rate_limited",
	[MODEL_ERROR_TRANSIENT] = "transient",
	[MODEL_ERROR_PERMANENT] = "permanent",
	[MODEL_ERROR_CANCELLED] = "cancelled",
	[MODEL_ERROR_UNSUPPORTED] = "unsupported",
	[MODEL_ERROR_INTERNAL] = "internal",
	[MODEL_ERROR_TIMEOUT] = "timeout",
	[MODEL_ERROR_CRASHED] = "crashed",
};

_Static_assert(PB_ARRAY_LEN(execution_names) == MODEL_EXECUTION_STATUS_COUNT, "names");
_Static_assert(PB_ARRAY_LEN(wait_names) == MODEL_WAIT_REASON_COUNT, "names");
_Static_assert(PB_ARRAY_LEN(step_names) == MODEL_STEP_STATUS_COUNT, "names");
_Static_assert(PB_ARRAY_LEN(effect_names) == MODEL_EFFECT_COUNT, "names");
_Static_assert(PB_ARRAY_LEN(error_names) == MODEL_ERROR_CLASS_COUNT, "names");

static const char *name_of(const char *const *names, size_t n, unsigned v)
{
	return v < n ? names[v] : "unknown";
}

static bool find_name(const char *const *names, size_t n, const char *s, unsigned *ret)
{
	for (size_t i = 0; s && i < n; i++)
		if (strcmp(names[i], s) == 0) {
			*ret = (unsigned)i;
			return true;
		}
	return false;
}

/* Name and parser of one set. */
#define NAMED(set, names)                                                                          \
	const char *model_##set##_name(enum model_##set v)                                         \
	{                                                                                          \
		return name_of(names, PB_ARRAY_LEN(names), (unsigned)v);                           \
	}                                                                                          \
	bool model_##set##_parse(const char *s, enum model_##set *ret)                             \
	{                                                                                          \
		unsigned v;                                                                        \
                                                                                                   \
		if (!find_name(names, PB_ARRAY_LEN(names), s, &v))                                 \
			return false;                                                              \
		*ret = (enum model_##set)v;                                                        \
		return true;                                                                       \
	}

NAMED(execution_status, execution_names)
NAMED(wait_reason, wait_names)
NAMED(step_status, step_names)
NAMED(effect, effect_names)
NAMED(error_class, error_names)

bool model_execution_status_is_final(enum model_execution_status s)
{
	return s == MODEL_EXECUTION_SUCCEEDED || s == MODEL_EXECUTION_FAILED ||
	       s == MODEL_EXECUTION_CANCELLED;
}

bool model_step_status_is_final(enum model_step_status s)
{
	return s == MODEL_STEP_SUCCEEDED || s == MODEL_STEP_FAILED || s == MODEL_STEP_SKIPPED ||
	       s == MODEL_STEP_CANCELLED;
}

bool model_error_class_is_retryable(enum model_error_class c)
{
	return c == MODEL_ERROR_RATE_LIMITED || c == MODEL_ERROR_TRANSIENT ||
	       c == MODEL_ERROR_TIMEOUT || c == MODEL_ERROR_CRASHED ||
	       c == MODEL_ERROR_AUTH_EXPIRED;
}
