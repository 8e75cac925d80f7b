/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of one action, for the engine: started here, run in a runner, its HTTP done by egress.
 * The surprising thing: a call whose runner died without effect is repeated inside and the caller
 * never hears of it; what comes back as CRASHED has either had an effect or died alone.
 */
#ifndef PB_CONNECTOR_CONNECTOR_CALL_H
#define PB_CONNECTOR_CONNECTOR_CALL_H

#include "connector/connector.h"

struct connector_call;

/* 0..9 equal the SDK's closed set, on the wire too. */
enum connector_status {
	CONNECTOR_OK = 0,
	CONNECTOR_INVALID_INPUT = 1,
	CONNECTOR_AUTH_EXPIRED = 2,
	CONNECTOR_AUTH_DENIED = 3,
	CONNECTOR_RATE_LIMITED = 4,
	CONNECTOR_TRANSIENT = 5,
	CONNECTOR_PERMANENT = 6,
	CONNECTOR_CANCELLED = 7,
	CONNECTOR_UNSUPPORTED = 8,
	CONNECTOR_INTERNAL = 9,
	/* decided by the host */
	CONNECTOR_CRASHED = 10,     /* the runner died with this call in it */
	CONNECTOR_TIMEOUT = 11,     /* deadline passed */
	CONNECTOR_IS_DISABLED = 12, /* by an admin; wait for on_ready */
	CONNECTOR_QUARANTINED = 13, /* it crashed too often; wait for on_ready */
	CONNECTOR_UNAVAILABLE = 14, /* this host cannot run it now (no runner, full, stopping) */
	CONNECTOR_STATUS_COUNT,
};
/* "ok", "invalid_input", ..., "crashed", ... Never NULL. */
const char *connector_status_name(enum connector_status status);
/* The stable error code: "connector.invalid_input", "connector.quarantined", ... */
const char *connector_status_code(enum connector_status status);

enum connector_effect { CONNECTOR_EFFECT_NONE, CONNECTOR_EFFECT_MAYBE, CONNECTOR_EFFECT_DONE };
const char *connector_effect_name(enum connector_effect effect); /* "none" "maybe" "done" */

/* All strings and bytes are copied by connector_call_start(). */
struct connector_call_request {
	struct pb_uuid tenant, execution;
	const char *step;                /* "tell", "loop[3].tell": for logs */
	struct connector_action *action; /* borrowed; the call takes its own reference */
	const char *params; /* JSON object; checked here against the manifest's schema */
	size_t params_bytes;
	const char *connection; /* name or id; NULL or "" = none */
	/* instead of its name: one that the caller has opened; the call takes its own reference */
	struct connector_connection *opened;
	const char *idempotency_key; /* same on every attempt of the step; required */
	int64_t deadline_us;         /* pb_mono_us; 0 = cfg.call_timeout_us from now */
	bool dry_run; /* send nothing: OK with output {"dry_run":true,"request":{...}} or the result
		       */
	bool repeatable; /* the step says that sending twice does no harm */
	/*
	 * May it still leave? Asked with @done's argument right before the call goes to a runner, since it may have waited
	 * for its turn ("no" ends it UNAVAILABLE with CONNECTOR_WITHHELD), and before each of its requests goes out ("no"
	 * refuses that one as transient). NULL = always.
	 * Threads: the connector's I/O thread; must not block.
	 */
	bool (*may_leave)(void *arg);
};

/* The code of a call that was not allowed to leave. */
#define CONNECTOR_WITHHELD "connector.withheld"

struct connector_log_line {
	int level; /* 0 debug .. 3 error */
	const char *message;
	const char *fields; /* JSON object text or NULL; secrets redacted */
};
#define CONNECTOR_LOG_LINES_KEPT 50

/* Borrowed until the done function returns. Text is safe to show to the tenant. */
struct connector_call_result {
	enum connector_status status;
	enum connector_effect effect; /* what may have changed on the far side */
	bool repeatable; /* effect none, or idempotent by manifest or by the step: may be sent again
			  */
	bool attempt_charged; /* false: the call is not to blame, do not count the attempt */
	const char *output;   /* JSON text; NULL unless OK */
	size_t output_bytes;
	int http_status;        /* of the last answer it saw, 0 = none */
	int64_t retry_after_us; /* 0 = not said */
	const char *code;       /* the service's or egress's own code, or NULL */
	const char *message;    /* never NULL */
	const char *pointer;    /* into the parameters, or NULL */
	int64_t duration_us;
	uint32_t restarts; /* times it was repeated inside after a runner's death */
	const struct connector_log_line *log;
	size_t n_log;
};

/* Called once, on the I/O thread or a worker thread of connectors; must not block (hand it on). */
typedef void connector_done_fn(void *arg, const struct connector_call_result *result);

/*
 * Starts a call. Whatever goes wrong later arrives in @done, also a disabled connector.
 * Owner:   *ret (may be NULL) is a reference, connector_call_unref().
 * Errors:  PB_E_LIMIT connector.busy (calls_max), PB_E_INVALID connector.request (missing action or
 *          key, parameters over 1 MB), PB_E_UNAVAILABLE connector.stopping. Then @done is not
 * called. Threads: [any-thread]; never blocks. @done never runs inside it.
 */
enum pb_status connector_call_start(struct connectors *c, const struct connector_call_request *req,
				    connector_done_fn *done, void *arg, struct connector_call **ret,
				    struct pb_err *err) pb_must_check;
/* Asks for the end; @done still comes once (CANCELLED with its effect, or the result). [any-thread]
 */
void connector_call_cancel(struct connector_call *call);
void connector_call_unref(struct connector_call *call);
PB_DEFINE_AUTOPTR(connector_call, connector_call_unref);

#endif
