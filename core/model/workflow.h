/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workflow definition as the planner and the API see it, read from the JSON tree. The reader
 * reports every fault, not only the first, each with a code and a JSON Pointer. It does no I/O and
 * knows no connector: whether an action, a parameter or a connection exists is decided above.
 */
#ifndef PB_MODEL_WORKFLOW_H
#define PB_MODEL_WORKFLOW_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/problem.h"

#define MODEL_WORKFLOW_FORMAT     1
#define MODEL_WORKFLOW_MAX_STEPS  256
#define MODEL_WORKFLOW_MAX_EDGES  1024
#define MODEL_WORKFLOW_NAME_CHARS 200
#define MODEL_STEP_ID_BYTES       64 /* characters; storage needs one more */
#define MODEL_TRIGGER_STEP        (-1)

#define MODEL_STEP_TIMEOUT_DEFAULT_US  (INT64_C(30) * 1000000)
#define MODEL_STEP_TIMEOUT_MAX_US      (INT64_C(24) * 3600 * 1000000)
#define MODEL_RETRY_ATTEMPTS_DEFAULT   3
#define MODEL_RETRY_MAX_ATTEMPTS       100
#define MODEL_RETRY_INITIAL_DEFAULT_US (INT64_C(1) * 1000000)
#define MODEL_RETRY_MAX_DEFAULT_US     (INT64_C(5) * 60 * 1000000)
#define MODEL_RETRY_MAX_US             (INT64_C(24) * 3600 * 1000000)
#define MODEL_RESPOND_DEADLINE_US      (INT64_C(30) * 1000000)
#define MODEL_RESPOND_DEADLINE_MAX_US  (INT64_C(5) * 60 * 1000000)

enum model_trigger_type {
	MODEL_TRIGGER_WEBHOOK = 0,
	MODEL_TRIGGER_MANUAL = 1,
};

enum model_respond {
	MODEL_RESPOND_ACCEPTED = 0, /* 202 at once */
	MODEL_RESPOND_RESULT = 1,   /* wait for the output, at most the deadline */
};

/* One bit a method, for the trigger's list. */
enum model_method {
	MODEL_METHOD_GET = 1 << 0,
	MODEL_METHOD_HEAD = 1 << 1,
	MODEL_METHOD_POST = 1 << 2,
	MODEL_METHOD_PUT = 1 << 3,
	MODEL_METHOD_PATCH = 1 << 4,
	MODEL_METHOD_DELETE = 1 << 5,
};

struct model_trigger {
	enum model_trigger_type type;
	unsigned methods; /* of enum model_method; POST alone by default; 0 for manual */
	enum model_respond respond;
	int64_t deadline_us;        /* for MODEL_RESPOND_RESULT */
	const struct pb_json *with; /* as written, or NULL */
};

enum model_step_type {
	MODEL_STEP_TYPE_ACTION = 0,
	MODEL_STEP_TYPE_SET = 1,
	MODEL_STEP_TYPE_IF = 2,
};

enum model_port {
	MODEL_PORT_DONE = 0,
	MODEL_PORT_ERROR = 1,
	MODEL_PORT_TRUE = 2,  /* `if` only */
	MODEL_PORT_FALSE = 3, /* `if` only */
	MODEL_PORT_COUNT,
};

enum model_on_error {
	MODEL_ON_ERROR_FAIL = 0,     /* the execution fails unless an `error` edge exists */
	MODEL_ON_ERROR_CONTINUE = 1, /* goes on by `done` with null output, the error is kept */
};

enum model_join {
	MODEL_JOIN_ALL = 0, /* when every incoming edge is decided and one has fired */
	MODEL_JOIN_ANY = 1, /* at the first that fires */
};

struct model_retry {
	uint32_t max_attempts; /* the first one included; 1 = never again */
	int64_t initial_us;
	int64_t max_us;
	bool jitter;
};

/* Text is NUL-terminated and NULL when absent. */
struct model_step {
	const char *id;
	const char *name; /* for people */
	enum model_step_type type;
	const struct pb_json *with; /* an object, or NULL; expressions inside are not read here */
	/* `action` only */
	const char *action;            /* "connector.operation", as written */
	const char *connector;         /* before the last dot */
	const char *operation;         /* behind the last dot */
	const char *connector_version; /* NULL = the newest */
	const char *connection;        /* a name or an id */
	bool repeatable; /* `"repeatable": true` at the step, or in the http action's `with` */
	int64_t timeout_us;
	struct model_retry retry;
	enum model_on_error on_error;
	enum model_join join;
	const char *pointer; /* "/steps/3", for messages */
};

/* Invariant: from is MODEL_TRIGGER_STEP (then port is DONE) or an index; to is an index. No two are
 * equal. */
struct model_edge {
	int32_t from;
	int32_t to;
	enum model_port port;
};

enum model_mode {
	MODEL_MODE_DURABLE = 0,
	MODEL_MODE_EXPRESS = 1, /* only the end is recorded */
};

struct model_settings {
	enum model_mode mode;
	const char *timezone;       /* "UTC" by default; IANA, not looked up here */
	uint32_t concurrency;       /* 0 = no limit of its own */
	const char *error_workflow; /* NULL = none */
	int64_t retention_us;       /* 0 = the plan's */
};

/* Invariant: at least one step; the graph has no cycle; every step is reached from the trigger. */
struct model_workflow {
	const char *name;
	struct model_trigger trigger;
	struct model_step *steps;
	size_t n_steps;
	struct model_edge *
		edges; /* without `edges` in the file: the trigger to the first, each step to the next */
	size_t n_edges;
	uint16_t *order; /* all step indexes so that every edge goes forward */
	struct model_settings settings;
};

/*
 * Reads a definition.
 * Owner:   *ret lives in @arena and borrows from @json's tree (texts, `with`): both arenas must live.
 * Errors:  PB_E_UNPROCESSABLE workflow.invalid with everything in @problems; PB_E_TOO_LARGE workflow.too_large
 *          (the arena is full). The problems' codes are workflow.format_unsupported, field_missing,
 *          field_unknown, field_type, field_value, trigger_type_unsupported, method_unknown,
 *          step_id_invalid, step_id_duplicate, step_type_unsupported, action_invalid, duration_invalid,
 *          edge_invalid, edge_unknown_step, edge_unknown_port, edge_duplicate, cycle, step_unreachable,
 *          too_many_steps, too_many_edges, setting_unsupported (known to
 *          the format, not to this host).
 * Threads: [any-thread]
 */
enum pb_status model_workflow_parse(const struct pb_json *json, struct pb_arena *arena,
				    struct pb_problems *problems, const struct model_workflow **ret,
				    struct pb_err *err) pb_must_check;
/*
 * The same for who looks for more faults: *ret is there although some were found (added to @problems).
 * Then a step may lack its id, action or `with`, and there may be no edges and no order.
 * Errors:  PB_E_TOO_LARGE.
 */
enum pb_status model_workflow_read(const struct pb_json *json, struct pb_arena *arena,
				   struct pb_problems *problems, const struct model_workflow **ret,
				   bool *ret_sound, struct pb_err *err) pb_must_check;

/* Index of the step with @id, or -1. */
int32_t model_workflow_find_step(const struct model_workflow *wf, const char *id, size_t n);

/* Names as in the file. Never NULL. */
const char *model_step_type_name(enum model_step_type t);
const char *model_port_name(enum model_port p);
const char *model_trigger_type_name(enum model_trigger_type t);
const char *model_method_name(enum model_method m);
/* 0 for a method that is none of ours. Upper case only. */
unsigned model_method_parse(const char *s, size_t n);

#endif
