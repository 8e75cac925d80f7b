/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the states: one table each, indexed by the stored number. */
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
	[MODEL_ERROR_CRASHED] = "crashed",
	[MODEL_ERROR_TIMEOUT] = "timeout",
};

static const char *name_of(const char *const *names, size_t n, unsigned i)
{
	return i < n ? names[i] : "unknown";
}

const char *model_execution_status_name(enum model_execution_status s)
{
	return name_of(execution_names, PB_ARRAY_LEN(execution_names), (unsigned)s);
}

const char *model_wait_reason_name(enum model_wait_reason r)
{
	return name_of(wait_names, PB_ARRAY_LEN(wait_names), (unsigned)r);
}

const char *model_step_status_name(enum model_step_status s)
{
	return name_of(step_names, PB_ARRAY_LEN(step_names), (unsigned)s);
}

const char *model_effect_name(enum model_effect e)
{
	return name_of(effect_names, PB_ARRAY_LEN(effect_names), (unsigned)e);
}

const char *model_error_class_name(enum model_error_class c)
{
	return name_of(error_names, PB_ARRAY_LEN(error_names), (unsigned)c);
}

static bool parse_name(const char *const *names, size_t n, const char *s, unsigned *ret)
{
	for (unsigned i = 0; s && i < n; i++) {
		if (names[i] && pb_str_eq(names[i], s)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

#define DEFINE_PARSE(fn, type, names)                                                              \
	bool fn(const char *s, enum type *ret)                                                     \
	{                                                                                          \
		unsigned i;                                                                        \
                                                                                                   \
		if (!parse_name(names, PB_ARRAY_LEN(names), s, &i))                                \
			return false;                                                              \
		*ret = (enum type)i;                                                               \
		return true;                                                                       \
	}

DEFINE_PARSE(model_execution_status_parse, model_execution_status, execution_names)
DEFINE_PARSE(model_wait_reason_parse, model_wait_reason, wait_names)
DEFINE_PARSE(model_step_status_parse, model_step_status, step_names)
DEFINE_PARSE(model_effect_parse, model_effect, effect_names)
DEFINE_PARSE(model_error_class_parse, model_error_class, error_names)

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
	switch (c) {
	case MODEL_ERROR_RATE_LIMITED:
	case MODEL_ERROR_TRANSIENT:
	case MODEL_ERROR_TIMEOUT:
	case MODEL_ERROR_CRASHED:
	case MODEL_ERROR_AUTH_EXPIRED:
		return true;
	default:
		return false;
	}
}
