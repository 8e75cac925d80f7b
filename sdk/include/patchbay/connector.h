/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connector interface, SDK 1.0: everything a connector knows of its host.
 *
 * A connector is one shared object that exports one symbol, patchbay_connector_v1, and has no
 * undefined Patchbay symbol; write PATCHBAY_MODULE(...) once and nothing else is exported. C99 and
 * C++11.
 *
 * Memory in one sentence: what the host hands out lives until the call returns; what you hand in is
 * copied before the host function returns; nobody frees the other's memory.
 *
 * Threads: one call is one thread with 192 KB of stack for you. Each function is marked
 * [call-thread] (only on the thread the call runs on) or [any-thread]. Calls on one connection are
 * serial unless the manifest says "concurrency": n; calls of different connections run at the same
 * time, so anything static must be constant or locked.
 *
 * No sockets, no files, no environment, no processes: the kernel refuses them. Start no threads of your own:
 * host functions work on the call's thread only, and memory for stacks is counted. All traffic goes
 * through `http`.
 *
 * Values are JSON text: pointer and length, valid UTF-8, not NUL-terminated unless said; numbers
 * keep the text they came with. A small reader and writer are in patchbay/json.h (source, not ABI).
 */
#ifndef PATCHBAY_CONNECTOR_H
#define PATCHBAY_CONNECTOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PATCHBAY_ABI_MAJOR 1
#define PATCHBAY_ABI_MINOR 0

/* The oldest host minor this connector can run on; define it before the include to ask for more. */
#ifndef PATCHBAY_NEEDS_MINOR
#define PATCHBAY_NEEDS_MINOR 0
#endif

#define PATCHBAY_MODULE_MAGIC 0x50424331u /* "PBC1" */

#if defined(__GNUC__)
#define PATCHBAY_EXPORT __attribute__((visibility("default")))
#else
#define PATCHBAY_EXPORT
#endif

/* ---- how a call ends
 * ------------------------------------------------------------------------------ */

/* A closed set. A number that is not in it counts as PATCHBAY_PERMANENT. Never renumbered. */
typedef int32_t patchbay_status;

#define PATCHBAY_OK            0
#define PATCHBAY_INVALID_INPUT 1 /* a parameter is wrong; say which one with `pointer` */
#define PATCHBAY_AUTH_EXPIRED                                                                      \
	2 /* the credential was good once; the host refreshes or asks to reconnect */
#define PATCHBAY_AUTH_DENIED  3 /* the credential is not allowed to do this */
#define PATCHBAY_RATE_LIMITED 4 /* later; say when with `retry_after_ms` */
#define PATCHBAY_TRANSIENT    5 /* the same call may succeed later */
#define PATCHBAY_PERMANENT    6 /* the same call will never succeed */
#define PATCHBAY_CANCELLED    7 /* the host asked for the end, or time is up */
#define PATCHBAY_UNSUPPORTED  8 /* this host does not have that function */
#define PATCHBAY_INTERNAL     9 /* a fault of the connector or of the host */

/*
 * Did the far side change? The host repeats a failed call only when the answer is none or the
 * manifest declares the action idempotent. What egress saw on the wire is believed before this
 * claim.
 */
#define PATCHBAY_EFFECT_NONE  0u
#define PATCHBAY_EFFECT_MAYBE 1u
#define PATCHBAY_EFFECT_DONE  2u

/* ---- values
 * --------------------------------------------------------------------------------------- */

/* Text or bytes. A NULL ptr means "absent"; an empty text has a ptr and len 0. */
struct patchbay_text {
	const char *ptr;
	size_t len;
};

struct patchbay_header {
	const char *name;
	const char *value;
};

/* One call. Opaque; pass it back to the host. */
struct patchbay_call;

/* ---- HTTP
 * ----------------------------------------------------------------------------------------- */

/* Follow up to 5 redirects. Credentials never cross an origin. Default: a redirect is an answer. */
#define PATCHBAY_HTTP_FOLLOW 1u
/* Send no credential, even to a host where one would be injected. */
#define PATCHBAY_HTTP_NO_CREDENTIAL 2u
/* Sending this request twice does no harm (a key of idempotency_key() is in it, or it only reads).
 */
#define PATCHBAY_HTTP_REPEATABLE 4u

/*
 * Fill with PATCHBAY_HTTP_REQUEST_INIT and set what you need.
 * Limits: method 1..32 letters, URL 16 KB, 100 headers of 16 KB together, body 7 MB.
 */
struct patchbay_http_request {
	uint32_t size;
	uint32_t flags;
	const char *method;
	const char *url; /* "https://host/path", or "/path" against the manifest's base_url */
	const struct patchbay_header *headers;
	size_t n_headers;
	const void *body;
	size_t body_len;
	int64_t timeout_ms;          /* 0: what is left of the call */
	uint64_t max_response_bytes; /* 0: the host's limit; more is an error, never a cut */
	uint64_t reserved[2];        /* 0 */
};

/* Filled by the host up to `size`. Memory: until the call returns. */
struct patchbay_http_response {
	uint32_t size;
	int32_t http_status; /* 100..599; 0 when no answer came */
	uint32_t effect;     /* when no answer came: could the request have arrived? */
	uint32_t reserved0;
	int64_t retry_after_ms;                /* from Retry-After; 0 when it was not there */
	const struct patchbay_header *headers; /* names in lower case */
	size_t n_headers;
	const char *body; /* never NULL after PATCHBAY_OK; a NUL follows body_len */
	size_t body_len;
	const char *code;    /* why no answer came, "egress.timeout"; NULL after PATCHBAY_OK */
	const char *message; /* the same for people */
	uint64_t reserved[2];
};

#define PATCHBAY_HTTP_REQUEST_INIT                                                                 \
	{                                                                                          \
		(uint32_t)sizeof(struct patchbay_http_request), 0, NULL, NULL, NULL, 0, NULL, 0,   \
			0, 0,                                                                      \
		{                                                                                  \
			0, 0                                                                       \
		}                                                                                  \
	}
#define PATCHBAY_HTTP_RESPONSE_INIT                                                                \
	{                                                                                          \
		(uint32_t)sizeof(struct patchbay_http_response), 0, 0, 0, 0, NULL, 0, NULL, 0,     \
			NULL, NULL,                                                                \
		{                                                                                  \
			0, 0                                                                       \
		}                                                                                  \
	}

/* ---- failure
 * -------------------------------------------------------------------------------------- */

/* Fill with PATCHBAY_FAILURE_INIT. Texts: code 128 bytes, message 2 KB, pointer 1 KB; longer is
 * cut. */
struct patchbay_failure {
	uint32_t size;
	patchbay_status status; /* not PATCHBAY_OK */
	uint32_t effect;
	int32_t http_status;    /* 0: none */
	int64_t retry_after_ms; /* 0: not said */
	const char *code;       /* the service's own code, or NULL */
	const char *message;    /* for people; no secrets */
	const char *pointer;    /* JSON Pointer to the parameter at fault, or NULL */
	uint64_t reserved[2];
};

#define PATCHBAY_FAILURE_INIT                                                                      \
	{                                                                                          \
		(uint32_t)sizeof(struct patchbay_failure), 0, 0, 0, 0, NULL, NULL, NULL,           \
		{                                                                                  \
			0, 0                                                                       \
		}                                                                                  \
	}

/* ---- numbers used by the host's functions
 * --------------------------------------------------------- */

#define PATCHBAY_LOG_DEBUG 0u
#define PATCHBAY_LOG_INFO  1u
#define PATCHBAY_LOG_WARN  2u
#define PATCHBAY_LOG_ERROR 3u

#define PATCHBAY_KV_TRIGGER    0u /* this trigger of this workflow */
#define PATCHBAY_KV_CONNECTION 1u /* all that use this connection */
#define PATCHBAY_KV_CONNECTOR  2u /* the tenant's whole use of this connector */

#define PATCHBAY_SHA256   1u
#define PATCHBAY_SHA1     2u
#define PATCHBAY_SHA512   3u
#define PATCHBAY_HASH_MAX 64u /* bytes of the longest digest */

#define PATCHBAY_BASE64            0u /* RFC 4648 section 4, padded */
#define PATCHBAY_BASE64_URL        1u /* section 5, not padded */
#define PATCHBAY_BASE64_DECODE     2u /* together with the above: text to bytes, strict */
#define PATCHBAY_BASE64_URL_DECODE 3u

/* ---- the host
 * ------------------------------------------------------------------------------------- */

/*
 * The table of host functions: append-only, `size` is its size in the running host. Use the
 * patchbay_...() wrappers below: they answer PATCHBAY_UNSUPPORTED where a host is older than a
 * function. Since 1.0 unless a slot says otherwise. Every status function answers PATCHBAY_OK,
 * PATCHBAY_INVALID_INPUT for a wrong argument, PATCHBAY_CANCELLED once the call is cancelled or its
 * time is up and the function had to ask the host, PATCHBAY_INTERNAL when memory is out; more is
 * said there.
 */
struct patchbay_host {
	uint32_t size;
	uint16_t abi_major;
	uint16_t abi_minor;

	/**
	 * All parameters, checked against the manifest's schema, as one JSON object.
	 * @param ret_json until the call returns; a NUL follows. Limits: 1 MB. [any-thread]
	 * Since: 1.0
	 */
	patchbay_status (*params)(struct patchbay_call *call, struct patchbay_text *ret_json);

	/**
	 * One parameter by JSON Pointer ("/message/text"), as JSON text.
	 * @param ret_json ptr is NULL when it is absent (that is PATCHBAY_OK). A NUL does not
	 * follow. Memory: until the call returns. [any-thread] Since: 1.0
	 */
	patchbay_status (*param)(struct patchbay_call *call, const char *pointer,
				 struct patchbay_text *ret_json);

	/**
	 * A key for one far-side change that this call makes, the same on every attempt of the
	 * step.
	 * @param purpose which change it is, when the call makes several ("charge",
	 * "receipt"); 1..64 bytes
	 * @param ret_key 43 characters A-Z a-z 0-9 - _, NUL-terminated, until the call returns.
	 * [call-thread] Since: 1.0
	 */
	patchbay_status (*idempotency_key)(struct patchbay_call *call, const char *purpose,
					   const char **ret_key);

	/** Milliseconds until the host ends the call; 0 when it is over. [any-thread] Since: 1.0 */
	int64_t (*remaining_ms)(struct patchbay_call *call);

	/** Not 0 once the host wants the call to end. Look at it in every loop. [any-thread]
	 * Since: 1.0 */
	int32_t (*cancelled)(struct patchbay_call *call);

	/**
	 * One line in the step's log. Never put credentials or personal data above debug level.
	 * @param fields_json a JSON object, or NULL
	 * Limits: message 2 KB, fields 8 KB (longer is refused), 50 lines a second a call; lines
	 * over that are counted, not kept, and the answer is PATCHBAY_RATE_LIMITED. [any-thread]
	 * Since: 1.0
	 */
	patchbay_status (*log)(struct patchbay_call *call, uint32_t level, const char *message,
			       size_t message_len, const char *fields_json, size_t fields_len);

	/**
	 * Zeroed memory, 16-byte aligned, freed when the call returns.
	 * @return NULL when memory is out. Limits: 64 MB a call. [call-thread] Since: 1.0
	 */
	void *(*alloc)(struct patchbay_call *call, size_t bytes);

	/**
	 * Sends one request and waits for the whole answer. TLS, proxies, credentials, the
	 *destination's permission, rate limits and redaction are the host's business.
	 * @param ret_response set `size` first (PATCHBAY_HTTP_RESPONSE_INIT); filled on errors too,
	 *so that effect, code and message can be passed on with patchbay_fail_http().
	 * @return PATCHBAY_OK for any HTTP answer, 500 too. PATCHBAY_AUTH_DENIED: that host is not
	 *in the manifest. PATCHBAY_AUTH_EXPIRED: no valid credential. PATCHBAY_RATE_LIMITED,
	 *	   PATCHBAY_TRANSIENT: no answer came. PATCHBAY_PERMANENT: TLS or size refused it.
	 * [call-thread] Since: 1.0
	 */
	patchbay_status (*http)(struct patchbay_call *call,
				const struct patchbay_http_request *request,
				struct patchbay_http_response *ret_response);

	/**
	 * A credential field that the manifest marks "expose". Wiped when the call returns.
	 * @return PATCHBAY_AUTH_DENIED when it is not exposed or absent. [call-thread] Since: 1.0
	 */
	patchbay_status (*secret)(struct patchbay_call *call, const char *field,
				  struct patchbay_text *ret_value);

	/**
	 * Reads a stored value. Absent: PATCHBAY_OK with ptr NULL and revision 0.
	 * Limits: key 1..128 bytes. [call-thread] Since: 1.0
	 */
	patchbay_status (*kv_get)(struct patchbay_call *call, uint32_t scope, const char *key,
				  struct patchbay_text *ret_value, uint64_t *ret_revision);

	/**
	 * Stores a value if it is still the one that was read (compare and set); @value NULL
	 * removes it.
	 * @param revision from kv_get; 0: there is none yet
	 * @param ret_revision the new one; may be NULL
	 * @return PATCHBAY_TRANSIENT when somebody else was first: read again. Limits: 64 KB a
	 * value. [call-thread] Since: 1.0
	 */
	patchbay_status (*kv_put)(struct patchbay_call *call, uint32_t scope, const char *key,
				  const void *value, size_t value_len, uint64_t revision,
				  uint64_t *ret_revision);

	/**
	 * The output of the operation, one JSON value. The last one counts; without one it is null.
	 * @return PATCHBAY_INVALID_INPUT when it is not JSON (depth 64, UTF-8), PATCHBAY_PERMANENT
	 *when it is too large. Limits: 1 MB unless the host allows more. [call-thread] Since: 1.0
	 */
	patchbay_status (*result)(struct patchbay_call *call, const char *json, size_t json_len);

	/**
	 * One event of a trigger. Events count only if the operation returns PATCHBAY_OK.
	 * @param dedup the event's own id, so that it starts a workflow once; 1..256 bytes or NULL
	 * Limits: 1000 events a call, each as large as a result. [call-thread] Since: 1.0
	 */
	patchbay_status (*emit)(struct patchbay_call *call, const char *event_json,
				size_t event_len, const char *dedup);

	/** The trigger's cursor, JSON text; ptr NULL at the first poll. [call-thread] Since: 1.0 */
	patchbay_status (*cursor_get)(struct patchbay_call *call, struct patchbay_text *ret_json);

	/**
	 * Stages the next cursor: kept together with the call's events, only after PATCHBAY_OK.
	 * Limits: 64 KB of JSON. [call-thread] Since: 1.0
	 */
	patchbay_status (*cursor_set)(struct patchbay_call *call, const char *json,
				      size_t json_len);

	/**
	 * Says how the operation failed. The last one counts.
	 * @return the failure's own status, so that `return patchbay_fail(...)` reads well.
	 * [call-thread] Since: 1.0
	 */
	patchbay_status (*fail)(struct patchbay_call *call, const struct patchbay_failure *failure);

	/** Milliseconds since 1970-01-01 UTC. [any-thread] Since: 1.0 */
	int64_t (*now_ms)(struct patchbay_call *call);

	/** Bytes from the kernel's generator. Limits: 64 KB. [any-thread] Since: 1.0 */
	patchbay_status (*random)(struct patchbay_call *call, void *out, size_t bytes);

	/**
	 * Digest of @data. @param out_len in: room in @out, out: bytes of the digest.
	 * @return PATCHBAY_UNSUPPORTED for an algorithm this host lacks. [any-thread] Since: 1.0
	 */
	patchbay_status (*hash)(struct patchbay_call *call, uint32_t algorithm, const void *data,
				size_t data_len, void *out, size_t *out_len);

	/** HMAC (RFC 2104) of @data; otherwise as `hash`. [any-thread] Since: 1.0 */
	patchbay_status (*hmac)(struct patchbay_call *call, uint32_t algorithm, const void *key,
				size_t key_len, const void *data, size_t data_len, void *out,
				size_t *out_len);

	/**
	 * Base64 both ways, by PATCHBAY_BASE64... Memory: until the call returns; a NUL follows.
	 * @return PATCHBAY_INVALID_INPUT for text that is not strict base64. [call-thread]
	 * Since: 1.0
	 */
	patchbay_status (*base64)(struct patchbay_call *call, uint32_t how, const void *data,
				  size_t data_len, struct patchbay_text *ret_text);

	/**
	 * An optional group of functions, "patchbay.files/1"; NULL when this host does not have it.
	 * Memory: for ever. [any-thread] Since: 1.0
	 */
	const void *(*extension)(struct patchbay_call *call, const char *id);
};

/* ---- the connector
 * -------------------------------------------------------------------------------- */

/*
 * One function type for every operation.
 * @return PATCHBAY_OK, or what patchbay_fail() returned; any other number fails with that class.
 */
typedef patchbay_status patchbay_operation_fn(const struct patchbay_host *host,
					      struct patchbay_call *call);

/*
 * Ids: action:x poll:x hook.add:x hook.del:x hook:x sample:x test:x options:x migrate:x, where x
 * is the id in the manifest; conn.open and conn.close have none.
 */
struct patchbay_operation {
	const char *id;
	patchbay_operation_fn *run;
};

/* Filled by PATCHBAY_MODULE; authors never type these numbers. */
struct patchbay_module {
	uint32_t magic;
	uint32_t size;
	uint16_t abi_major;
	uint16_t abi_minor;
	uint16_t needs_minor;
	uint16_t reserved0;
	uint32_t operation_stride;
	uint32_t n_operations;
	const struct patchbay_operation *operations;
	const void *manifest; /* the package's manifest.json, byte for byte */
	size_t manifest_len;
	const void *(*extension)(const char *id); /* optional groups of the connector, or NULL */
};

/** The only exported symbol. Pure: no I/O, no threads, no allocation. */
PATCHBAY_EXPORT const struct patchbay_module *patchbay_connector_v1(void);

/*
 * PATCHBAY_MODULE(operations, manifest, manifest_len): an array of struct patchbay_operation, and
 * the bytes of manifest.json (sdk/cmake/embed.cmake or `xxd -i` make them).
 */
#define PATCHBAY_MODULE(operations_, manifest_, manifest_len_)                                     \
	PATCHBAY_MODULE_EXTENDED(operations_, manifest_, manifest_len_, NULL)

/* The same with the connector's own `extension` function: const void *f(const char *id). */
#define PATCHBAY_MODULE_EXTENDED(operations_, manifest_, manifest_len_, extension_)                \
	const struct patchbay_module *patchbay_connector_v1(void)                                  \
	{                                                                                          \
		static const struct patchbay_module patchbay_module_ = {                           \
			PATCHBAY_MODULE_MAGIC,                                                     \
			(uint32_t)sizeof(struct patchbay_module),                                  \
			PATCHBAY_ABI_MAJOR,                                                        \
			PATCHBAY_ABI_MINOR,                                                        \
			PATCHBAY_NEEDS_MINOR,                                                      \
			0,                                                                         \
			(uint32_t)sizeof(struct patchbay_operation),                               \
			(uint32_t)(sizeof(operations_) / sizeof((operations_)[0])),                \
			(operations_),                                                             \
			(manifest_),                                                               \
			(manifest_len_),                                                           \
			(extension_)};                                                             \
		return &patchbay_module_;                                                          \
	}

/* ---- wrappers: what authors call
 * ------------------------------------------------------------------ */

#define PATCHBAY_HAS(host, slot)                                                                   \
	((host)->size >= offsetof(struct patchbay_host, slot) + sizeof((host)->slot) &&            \
	 (host)->slot != NULL)

static inline patchbay_status patchbay_params(const struct patchbay_host *host,
					      struct patchbay_call *call,
					      struct patchbay_text *ret_json)
{
	return PATCHBAY_HAS(host, params) ? host->params(call, ret_json) : PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_param(const struct patchbay_host *host,
					     struct patchbay_call *call, const char *pointer,
					     struct patchbay_text *ret_json)
{
	return PATCHBAY_HAS(host, param) ? host->param(call, pointer, ret_json)
					 : PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_idempotency_key(const struct patchbay_host *host,
						       struct patchbay_call *call,
						       const char *purpose, const char **ret_key)
{
	return PATCHBAY_HAS(host, idempotency_key) ? host->idempotency_key(call, purpose, ret_key)
						   : PATCHBAY_UNSUPPORTED;
}

static inline int64_t patchbay_remaining_ms(const struct patchbay_host *host,
					    struct patchbay_call *call)
{
	return PATCHBAY_HAS(host, remaining_ms) ? host->remaining_ms(call) : 0;
}

static inline int32_t patchbay_cancelled(const struct patchbay_host *host,
					 struct patchbay_call *call)
{
	return PATCHBAY_HAS(host, cancelled) ? host->cancelled(call) : 0;
}

static inline patchbay_status patchbay_log(const struct patchbay_host *host,
					   struct patchbay_call *call, uint32_t level,
					   const char *message, size_t message_len,
					   const char *fields_json, size_t fields_len)
{
	return PATCHBAY_HAS(host, log)
		       ? host->log(call, level, message, message_len, fields_json, fields_len)
		       : PATCHBAY_UNSUPPORTED;
}

static inline void *patchbay_alloc(const struct patchbay_host *host, struct patchbay_call *call,
				   size_t bytes)
{
	return PATCHBAY_HAS(host, alloc) ? host->alloc(call, bytes) : NULL;
}

static inline patchbay_status patchbay_http(const struct patchbay_host *host,
					    struct patchbay_call *call,
					    const struct patchbay_http_request *request,
					    struct patchbay_http_response *ret_response)
{
	return PATCHBAY_HAS(host, http) ? host->http(call, request, ret_response)
					: PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_secret(const struct patchbay_host *host,
					      struct patchbay_call *call, const char *field,
					      struct patchbay_text *ret_value)
{
	return PATCHBAY_HAS(host, secret) ? host->secret(call, field, ret_value)
					  : PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_kv_get(const struct patchbay_host *host,
					      struct patchbay_call *call, uint32_t scope,
					      const char *key, struct patchbay_text *ret_value,
					      uint64_t *ret_revision)
{
	return PATCHBAY_HAS(host, kv_get) ? host->kv_get(call, scope, key, ret_value, ret_revision)
					  : PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_kv_put(const struct patchbay_host *host,
					      struct patchbay_call *call, uint32_t scope,
					      const char *key, const void *value, size_t value_len,
					      uint64_t revision, uint64_t *ret_revision)
{
	return PATCHBAY_HAS(host, kv_put)
		       ? host->kv_put(call, scope, key, value, value_len, revision, ret_revision)
		       : PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_result(const struct patchbay_host *host,
					      struct patchbay_call *call, const char *json,
					      size_t json_len)
{
	return PATCHBAY_HAS(host, result) ? host->result(call, json, json_len)
					  : PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_emit(const struct patchbay_host *host,
					    struct patchbay_call *call, const char *event_json,
					    size_t event_len, const char *dedup)
{
	return PATCHBAY_HAS(host, emit) ? host->emit(call, event_json, event_len, dedup)
					: PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_cursor_get(const struct patchbay_host *host,
						  struct patchbay_call *call,
						  struct patchbay_text *ret_json)
{
	return PATCHBAY_HAS(host, cursor_get) ? host->cursor_get(call, ret_json)
					      : PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_cursor_set(const struct patchbay_host *host,
						  struct patchbay_call *call, const char *json,
						  size_t json_len)
{
	return PATCHBAY_HAS(host, cursor_set) ? host->cursor_set(call, json, json_len)
					      : PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_fail(const struct patchbay_host *host,
					    struct patchbay_call *call,
					    const struct patchbay_failure *failure)
{
	/* in brackets: a unit test library has a macro of that name */
	return PATCHBAY_HAS(host, fail) ? (host->fail)(call, failure) : failure->status;
}

static inline int64_t patchbay_now_ms(const struct patchbay_host *host, struct patchbay_call *call)
{
	return PATCHBAY_HAS(host, now_ms) ? host->now_ms(call) : 0;
}

static inline patchbay_status patchbay_random(const struct patchbay_host *host,
					      struct patchbay_call *call, void *out, size_t bytes)
{
	return PATCHBAY_HAS(host, random) ? host->random(call, out, bytes) : PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_hash(const struct patchbay_host *host,
					    struct patchbay_call *call, uint32_t algorithm,
					    const void *data, size_t data_len, void *out,
					    size_t *out_len)
{
	return PATCHBAY_HAS(host, hash) ? host->hash(call, algorithm, data, data_len, out, out_len)
					: PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_hmac(const struct patchbay_host *host,
					    struct patchbay_call *call, uint32_t algorithm,
					    const void *key, size_t key_len, const void *data,
					    size_t data_len, void *out, size_t *out_len)
{
	return PATCHBAY_HAS(host, hmac)
		       ? host->hmac(call, algorithm, key, key_len, data, data_len, out, out_len)
		       : PATCHBAY_UNSUPPORTED;
}

static inline patchbay_status patchbay_base64(const struct patchbay_host *host,
					      struct patchbay_call *call, uint32_t how,
					      const void *data, size_t data_len,
					      struct patchbay_text *ret_text)
{
	return PATCHBAY_HAS(host, base64) ? host->base64(call, how, data, data_len, ret_text)
					  : PATCHBAY_UNSUPPORTED;
}

static inline const void *patchbay_extension(const struct patchbay_host *host,
					     struct patchbay_call *call, const char *id)
{
	return PATCHBAY_HAS(host, extension) ? host->extension(call, id) : NULL;
}

/* ---- shorthand, built from the above
 * -------------------------------------------------------------- */

/** Fails with a class and a message; nothing changed on the far side. */
static inline patchbay_status patchbay_fail_with(const struct patchbay_host *host,
						 struct patchbay_call *call, patchbay_status status,
						 const char *message)
{
	struct patchbay_failure failure = PATCHBAY_FAILURE_INIT;

	failure.status = status;
	failure.message = message;
	return patchbay_fail(host, call, &failure);
}

/** Fails because of one parameter; @pointer is its JSON Pointer. */
static inline patchbay_status patchbay_fail_input(const struct patchbay_host *host,
						  struct patchbay_call *call, const char *pointer,
						  const char *message)
{
	struct patchbay_failure failure = PATCHBAY_FAILURE_INIT;

	failure.status = PATCHBAY_INVALID_INPUT;
	failure.pointer = pointer;
	failure.message = message;
	return patchbay_fail(host, call, &failure);
}

/** Passes on why `http` got no answer. @status is what it returned. */
static inline patchbay_status patchbay_fail_http(const struct patchbay_host *host,
						 struct patchbay_call *call, patchbay_status status,
						 const struct patchbay_http_response *response)
{
	struct patchbay_failure failure = PATCHBAY_FAILURE_INIT;

	failure.status = status;
	failure.effect = response->effect;
	failure.http_status = response->http_status;
	failure.retry_after_ms = response->retry_after_ms;
	failure.code = response->code;
	failure.message = response->message != NULL ? response->message : "no answer came";
	return patchbay_fail(host, call, &failure);
}

/* ---- extension "patchbay.files/1"
 * ----------------------------------------------------------------- */

/*
 * Large data by reference: files are named by opaque texts that parameters and results carry
 * ("x-file": true), never by paths and never as base64.
 * Limits: 1 MB a read or write; the host's quota for the whole. All [call-thread]. Since: 1.0
 */
#define PATCHBAY_FILES_V1 "patchbay.files/1"

struct patchbay_files {
	uint32_t size;
	uint32_t reserved0;
	/** Length of the file that @ref names. PATCHBAY_INVALID_INPUT: no such file. */
	patchbay_status (*length)(struct patchbay_call *call, const char *ref, uint64_t *ret_bytes);
	/** Up to @len bytes from @offset; 0 at the end. */
	patchbay_status (*read)(struct patchbay_call *call, const char *ref, uint64_t offset,
				void *out, size_t len, size_t *ret_len);
	/** A new file, private to the call until it returns PATCHBAY_OK. @param ret_ref
	 * NUL-terminated. */
	patchbay_status (*create)(struct patchbay_call *call, const char *name,
				  const char *content_type, const char **ret_ref);
	/** Appends to a file made by create. */
	patchbay_status (*append)(struct patchbay_call *call, const char *ref, const void *data,
				  size_t len);
};

#ifdef __cplusplus
}
#endif

#endif
