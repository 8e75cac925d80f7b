/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the payloads mean. Every payload is `u32 n · n bytes of JSON object · the rest raw bytes`
 * ("meta" and "body"), so that bodies and documents pass without escaping. Used by the host's
 * connector module and by the runner; this file is the only description of the wire.
 *
 * Encoders append a whole payload to a buffer and return false at the buffer's limit. Decoders
 * check every field (type, range, length, UTF-8; unknown keys are ignored so that a later minor may
 * add some); strings live in the arena, bodies are borrowed from the payload. Errors of all
 * decoders: PB_E_INVALID ipc.payload with the field in the message; PB_E_TOO_LARGE.
 */
#ifndef PB_IPC_PROTO_H
#define PB_IPC_PROTO_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "ipc/ipc_frame.h"

/* Protocols spoken by this build. SETUP offers a range, HELLO picks one. */
#define IPC_PROTOCOL_MIN 1
#define IPC_PROTOCOL_MAX 1

/* The closed error set of the SDK, as numbers on the wire (equal to PATCHBAY_...). */
enum ipc_status {
	IPC_OK = 0,
	IPC_INVALID_INPUT = 1,
	IPC_AUTH_EXPIRED = 2,
	IPC_AUTH_DENIED = 3,
	IPC_RATE_LIMITED = 4,
	IPC_TRANSIENT = 5,
	IPC_PERMANENT = 6,
	IPC_CANCELLED = 7,
	IPC_UNSUPPORTED = 8,
	IPC_INTERNAL = 9,
	IPC_STATUS_COUNT,
};
const char *ipc_status_name(uint32_t status); /* "invalid_input"; anything unknown is "permanent" */

/* Did the far side change? */
enum ipc_effect { IPC_EFFECT_NONE = 0, IPC_EFFECT_MAYBE = 1, IPC_EFFECT_DONE = 2 };

#define IPC_HEADERS_MAX    100
#define IPC_LIBRARIES_MAX  32
#define IPC_OPERATIONS_MAX 512
#define IPC_ID_MAX         128  /* operation, connector, version, field names */
#define IPC_MESSAGE_MAX    2048 /* messages for people */
#define IPC_URL_MAX        16384
#define IPC_LOG_FIELDS_MAX 8192
#define IPC_CURSOR_MAX     65536
#define IPC_PARAMS_MAX     (1u << 20)
#define IPC_RESULT_MAX     (4u << 20) /* ceiling; the usual limit is in SETUP */
#define IPC_MANIFEST_MAX   (1u << 20)
#define IPC_KV_VALUE_MAX   65536

struct ipc_header {
	const char *name, *value;
};

/* IPC_SETUP. Body: the package's manifest.json. */
struct ipc_setup {
	uint32_t protocol_min, protocol_max;
	const char *connector, *version;
	const char *const
		*libraries; /* base names of shared objects the .so may need, e.g. "libxml2.so.2" */
	size_t n_libraries;
	const char *const *operations; /* every native operation, "action:post_message" */
	size_t n_operations;
	const char *const *extensions; /* that this host offers, "patchbay.files/1" */
	size_t n_extensions;
	uint32_t calls_max;        /* 1..2000 at once */
	uint32_t memory_mb;        /* data segment besides the stacks of the calls */
	uint32_t result_bytes_max; /* <= IPC_RESULT_MAX; 0 = 1 MB */
	uint32_t log_lines_per_s;  /* a call; 0 = 50 */
	uint32_t uid,
		gid; /* to become when started as root; 0 = the runner refuses to run as root */
	bool dev;    /* development mode: thread tags are checked */
	struct pb_slice manifest;
};

/* IPC_HELLO. No body. */
struct ipc_hello {
	uint32_t protocol;
	uint32_t abi_major, abi_minor;      /* of the host table */
	uint32_t module_minor, needs_minor; /* of the connector */
	const char *connector, *version;
	const char *const *operations;
	size_t n_operations;
	uint32_t landlock_abi;
	uint32_t checks; /* forbidden things tried, all refused */
	bool seccomp, no_new_privs, sanitized;
	const char *namespaces; /* "net,ipc,uts" or "" */
	uint32_t uid;
	int64_t load_us; /* from main() to ready */
};

/* IPC_EXIT_NOTICE. @code: stable, "loader.symbol", "sandbox.self_test", "drained". No body. */
struct ipc_exit {
	const char *code, *message;
};

/* IPC_CALL. Body: the parameters, a JSON object. */
struct ipc_call {
	const char *operation; /* "action:post_message" */
	const char *
		idempotency_base; /* secret-like: the runner derives keys from it, never shows it */
	int64_t timeout_ms;       /* from now; >= 1 */
	const char *context; /* opaque, comes back in nothing; for the runner's own diagnosis */
	bool dev;
	const char *cursor; /* JSON text or NULL */
	struct pb_slice params;
};

/* IPC_RESULT. Body: the output, JSON. */
struct ipc_result {
	const char *cursor; /* staged; JSON text or NULL */
	uint32_t n_events;  /* EMIT frames that belong to it */
	struct pb_slice output;
};

/* IPC_FAIL. No body. */
struct ipc_fail {
	uint32_t status;        /* ipc_status, never IPC_OK */
	uint32_t effect;        /* what the connector claims; the host believes egress first */
	uint32_t http_status;   /* 0 = none */
	int64_t retry_after_ms; /* 0 = not said */
	const char *code;       /* the service's own code, or NULL */
	const char *message;    /* for people, never NULL */
	const char *pointer;    /* RFC 6901 into the parameters, or NULL */
};

/* IPC_LOG. @level: 0 debug, 1 info, 2 warning, 3 error. @fields: JSON object text or NULL. */
struct ipc_log {
	uint32_t level;
	const char *message;
	const char *fields;
	uint32_t dropped; /* lines over the limit since the last one */
};

/* IPC_EMIT. Body: the event, JSON. */
struct ipc_emit {
	const char *dedup; /* or NULL */
	struct pb_slice event;
};

/* IPC_HTTP_REQUEST. Body: the request's body. */
enum {
	IPC_HTTP_FOLLOW = 1u << 0,        /* follow redirects, up to 5, same rules on each hop */
	IPC_HTTP_NO_CREDENTIAL = 1u << 1, /* send no credential even where one would be injected */
	IPC_HTTP_REPEATABLE = 1u << 2,    /* the author says: sending it twice does no harm */
	IPC_HTTP_FLAGS = 7u,
};
struct ipc_http_request {
	const char *method;
	const char *url; /* absolute, or "/path?query" against the manifest's base_url */
	const struct ipc_header *headers;
	size_t n_headers;
	uint32_t flags;
	uint32_t max_response_bytes; /* 0 = the host's limit */
	int64_t timeout_ms;          /* 0 = what is left of the call */
	struct pb_slice body;
};

/* IPC_HTTP_RESPONSE. Body: the response's body. @status IPC_OK means "an HTTP answer came",
 * whatever it says. */
struct ipc_http_response {
	uint32_t status;
	uint32_t effect; /* of this request, when it failed */
	uint32_t http_status;
	int64_t retry_after_ms;
	const char *code;                 /* "egress.blocked", "egress.timeout", ... or NULL */
	const char *message;              /* or NULL */
	const struct ipc_header *headers; /* names in lower case */
	size_t n_headers;
	struct pb_slice body;
};

/* IPC_SECRET_GET. */
struct ipc_secret_get {
	const char *field;
};

enum ipc_kv_scope { IPC_KV_TRIGGER = 0, IPC_KV_CONNECTION = 1, IPC_KV_CONNECTOR = 2 };

/* IPC_KV_GET. */
struct ipc_kv_get {
	uint32_t scope;
	const char *key;
};

/* IPC_KV_PUT. Body: the value; @remove with an empty body deletes. @revision: the one that was
 * read, 0 = absent. */
struct ipc_kv_put {
	uint32_t scope;
	const char *key;
	uint64_t revision;
	bool remove;
	struct pb_slice value;
};

/*
 * IPC_VALUE. Body: the secret or the stored value. Absent key: IPC_OK with @found false. A
 * compare-and-set that lost: IPC_TRANSIENT code "kv.conflict" with @revision the present one.
 */
struct ipc_value {
	uint32_t status;
	bool found;
	uint64_t revision;
	const char *code;    /* or NULL */
	const char *message; /* or NULL */
	struct pb_slice body;
};

#define IPC_CODEC(name)                                                                            \
	bool ipc_encode_##name(struct pb_buf *buf, const struct ipc_##name *msg) pb_must_check;    \
	enum pb_status ipc_decode_##name(struct pb_arena *arena, struct pb_slice payload,          \
					 struct ipc_##name *ret_msg, struct pb_err *err)           \
		pb_must_check

IPC_CODEC(setup);
IPC_CODEC(hello);
IPC_CODEC(exit);
IPC_CODEC(call);
IPC_CODEC(result);
IPC_CODEC(fail);
IPC_CODEC(log);
IPC_CODEC(emit);
IPC_CODEC(http_request);
IPC_CODEC(http_response);
IPC_CODEC(secret_get);
IPC_CODEC(kv_get);
IPC_CODEC(kv_put);
IPC_CODEC(value);

#endif
