/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payloads' one codec. Every message is a table of fields (key, kind, place, limit), so that
 * encoder, decoder and checks cannot drift apart; the tables below are the wire format.
 */
#include "ipc/ipc_proto.h"

#include "base/json.h"

#include "base/base.h"

enum kind {
	K_STR,        /* const char *, required */
	K_STR_OPT,    /* const char *, NULL when absent */
	K_JSON_OPT,   /* const char *, itself JSON text; max bytes */
	K_OBJECT_OPT, /* the same, a JSON object */
	K_METHOD,     /* const char *, 1..32 letters A-Z */
	K_U32,
	K_I64, /* 0..max */
	K_U64, /* 0..max <= INT64_MAX */
	K_BOOL,
	K_LIST,    /* const char *const *, its length at `count` */
	K_HEADERS, /* const struct ipc_header *, its length at `count` */
};

struct field {
	const char *key;
	enum kind kind;
	size_t offset;
	size_t count;
	int64_t max; /* bytes of a string, items of a list, or the largest number */
};

struct message {
	const char *name;
	const struct field *fields;
	size_t n_fields;
	size_t bytes;
	size_t body; /* offset of a struct pb_slice, NO_BODY without one */
	uint32_t body_max;
};

#define NO_BODY SIZE_MAX
#define F(m, f, kind, max)                                                                         \
	{                                                                                          \
#f, kind, offsetof(struct ipc_##m, f), 0, max                                      \
	}
#define FN(m, f, kind, max)                                                                        \
	{                                                                                          \
#f, kind, offsetof(struct ipc_##m, f), offsetof(struct ipc_##m, n_##f), max        \
	}
#define U32_ANY UINT32_MAX

static const struct field f_setup[] = {
	F(setup, protocol_min, K_U32, 1000),
	F(setup, protocol_max, K_U32, 1000),
	F(setup, connector, K_STR, IPC_ID_MAX),
	F(setup, version, K_STR, IPC_ID_MAX),
	FN(setup, libraries, K_LIST, IPC_LIBRARIES_MAX),
	FN(setup, operations, K_LIST, IPC_OPERATIONS_MAX),
	FN(setup, extensions, K_LIST, 32),
	F(setup, calls_max, K_U32, 2000),
	F(setup, memory_mb, K_U32, 65536),
	F(setup, result_bytes_max, K_U32, IPC_RESULT_MAX),
	F(setup, log_lines_per_s, K_U32, 100000),
	F(setup, uid, K_U32, U32_ANY - 1),
	F(setup, gid, K_U32, U32_ANY - 1),
	F(setup, dev, K_BOOL, 0),
};
static const struct field f_hello[] = {
	F(hello, protocol, K_U32, 1000),
	F(hello, abi_major, K_U32, UINT16_MAX),
	F(hello, abi_minor, K_U32, UINT16_MAX),
	F(hello, module_minor, K_U32, UINT16_MAX),
	F(hello, needs_minor, K_U32, UINT16_MAX),
	F(hello, connector, K_STR, IPC_ID_MAX),
	F(hello, version, K_STR, IPC_ID_MAX),
	FN(hello, operations, K_LIST, IPC_OPERATIONS_MAX),
	F(hello, landlock_abi, K_U32, 1000),
	F(hello, checks, K_U32, 1000),
	F(hello, seccomp, K_BOOL, 0),
	F(hello, no_new_privs, K_BOOL, 0),
	F(hello, sanitized, K_BOOL, 0),
	F(hello, namespaces, K_STR, IPC_ID_MAX),
	F(hello, uid, K_U32, U32_ANY),
	F(hello, load_us, K_I64, INT64_MAX),
};
static const struct field f_exit[] = {
	F(exit, code, K_STR, IPC_ID_MAX),
	F(exit, message, K_STR, IPC_MESSAGE_MAX),
};
static const struct field f_call[] = {
	F(call, operation, K_STR, IPC_ID_MAX),
	F(call, idempotency_base, K_STR, 256),
	F(call, timeout_ms, K_I64, INT64_C(86400000)),
	F(call, context, K_STR_OPT, 256),
	F(call, dev, K_BOOL, 0),
	F(call, cursor, K_JSON_OPT, IPC_CURSOR_MAX),
};
static const struct field f_result[] = {
	F(result, cursor, K_JSON_OPT, IPC_CURSOR_MAX),
	F(result, n_events, K_U32, 1000),
};
static const struct field f_fail[] = {
	F(fail, status, K_U32, U32_ANY),      F(fail, effect, K_U32, IPC_EFFECT_DONE),
	F(fail, http_status, K_U32, 999),     F(fail, retry_after_ms, K_I64, INT64_C(86400000)),
	F(fail, code, K_STR_OPT, IPC_ID_MAX), F(fail, message, K_STR, IPC_MESSAGE_MAX),
	F(fail, pointer, K_STR_OPT, 1024),
};
static const struct field f_log[] = {
	F(log, level, K_U32, 3),
	F(log, message, K_STR, IPC_MESSAGE_MAX),
	F(log, fields, K_OBJECT_OPT, IPC_LOG_FIELDS_MAX),
	F(log, dropped, K_U32, U32_ANY),
};
static const struct field f_emit[] = {
	F(emit, dedup, K_STR_OPT, 256),
};
static const struct field f_http_request[] = {
	F(http_request, method, K_METHOD, 32),
	F(http_request, url, K_STR, IPC_URL_MAX),
	FN(http_request, headers, K_HEADERS, IPC_HEADERS_MAX),
	F(http_request, flags, K_U32, IPC_HTTP_FLAGS),
	F(http_request, max_response_bytes, K_U32, IPC_PAYLOAD_MAX),
	F(http_request, timeout_ms, K_I64, INT64_C(86400000)),
};
static const struct field f_http_response[] = {
	F(http_response, status, K_U32, IPC_STATUS_COUNT - 1),
	F(http_response, effect, K_U32, IPC_EFFECT_DONE),
	F(http_response, http_status, K_U32, 999),
	F(http_response, retry_after_ms, K_I64, INT64_C(86400000)),
	F(http_response, code, K_STR_OPT, IPC_ID_MAX),
	F(http_response, message, K_STR_OPT, IPC_MESSAGE_MAX),
	FN(http_response, headers, K_HEADERS, IPC_HEADERS_MAX),
};
static const struct field f_secret_get[] = {
	F(secret_get, field, K_STR, IPC_ID_MAX),
};
static const struct field f_kv_get[] = {
	F(kv_get, scope, K_U32, IPC_KV_CONNECTOR),
	F(kv_get, key, K_STR, IPC_ID_MAX),
};
static const struct field f_kv_put[] = {
	F(kv_put, scope, K_U32, IPC_KV_CONNECTOR),
	F(kv_put, key, K_STR, IPC_ID_MAX),
	F(kv_put, revision, K_U64, INT64_MAX),
	F(kv_put, remove, K_BOOL, 0),
};
static const struct field f_value[] = {
	F(value, status, K_U32, IPC_STATUS_COUNT - 1), F(value, found, K_BOOL, 0),
	F(value, revision, K_U64, INT64_MAX),          F(value, code, K_STR_OPT, IPC_ID_MAX),
	F(value, message, K_STR_OPT, IPC_MESSAGE_MAX),
};

/* ---- encoding ---- */

static const void *at(const void *msg, size_t offset)
{
	return (const char *)msg + offset;
}

static uint32_t get_u32(const void *msg, size_t offset)
{
	uint32_t v;

	memcpy(&v, at(msg, offset), sizeof(v));
	return v;
}

static int64_t get_i64(const void *msg, size_t offset)
{
	int64_t v;

	memcpy(&v, at(msg, offset), sizeof(v));
	return v;
}

static size_t get_size(const void *msg, size_t offset)
{
	size_t v;

	memcpy(&v, at(msg, offset), sizeof(v));
	return v;
}

static const char *get_str(const void *msg, size_t offset)
{
	const char *s;

	memcpy(&s, at(msg, offset), sizeof(s));
	return s;
}

static void write_list(struct pb_jw *w, const void *msg, const struct field *f)
{
	const char *const *items;
	const size_t n = get_size(msg, f->count);

	memcpy(&items, at(msg, f->offset), sizeof(items));
	pb_jw_array(w);
	for (size_t i = 0; i < n; i++)
		pb_jw_str(w, items[i]);
	pb_jw_end(w);
}

/* [name, value, name, value, ...]: half the brackets of a list of pairs. */
static void write_headers(struct pb_jw *w, const void *msg, const struct field *f)
{
	const struct ipc_header *items;
	const size_t n = get_size(msg, f->count);

	memcpy(&items, at(msg, f->offset), sizeof(items));
	pb_jw_array(w);
	for (size_t i = 0; i < n; i++) {
		pb_jw_str(w, items[i].name);
		pb_jw_str(w, items[i].value);
	}
	pb_jw_end(w);
}

/* Zero, false, NULL and empty lists are left out: they are what an absent key means. */
static bool is_default(const void *msg, const struct field *f)
{
	switch (f->kind) {
	case K_STR:
	case K_METHOD:
		return false;
	case K_STR_OPT:
	case K_JSON_OPT:
	case K_OBJECT_OPT:
		return get_str(msg, f->offset) == NULL;
	case K_U32:
		return get_u32(msg, f->offset) == 0;
	case K_I64:
	case K_U64:
		return get_i64(msg, f->offset) == 0;
	case K_BOOL:
		return !*(const bool *)at(msg, f->offset);
	case K_LIST:
	case K_HEADERS:
		return get_size(msg, f->count) == 0;
	}
	return false;
}

static void write_field(struct pb_jw *w, const void *msg, const struct field *f)
{
	pb_jw_key(w, f->key);
	switch (f->kind) {
	case K_STR:
	case K_STR_OPT:
	case K_JSON_OPT:
	case K_OBJECT_OPT:
	case K_METHOD:
		pb_jw_str(w, get_str(msg, f->offset) ? get_str(msg, f->offset) : "");
		break;
	case K_U32:
		pb_jw_int(w, get_u32(msg, f->offset));
		break;
	case K_I64:
	case K_U64:
		pb_jw_int(w, get_i64(msg, f->offset));
		break;
	case K_BOOL:
		pb_jw_bool(w, *(const bool *)at(msg, f->offset));
		break;
	case K_LIST:
		write_list(w, msg, f);
		break;
	case K_HEADERS:
		write_headers(w, msg, f);
		break;
	}
}

static bool encode(struct pb_buf *buf, const struct message *m, const void *msg)
{
	const size_t start = buf->len;
	struct pb_slice body = {NULL, 0};
	struct pb_jw w;
	size_t meta;

	if (!pb_buf_add(buf, "\0\0\0\0", 4))
		return false;
	pb_jw_init(&w, buf);
	pb_jw_object(&w);
	for (size_t i = 0; i < m->n_fields; i++)
		if (!is_default(msg, &m->fields[i]))
			write_field(&w, msg, &m->fields[i]);
	pb_jw_end(&w);
	if (buf->overflow)
		return false;
	meta = buf->len - start - 4;
	for (size_t i = 0; i < 4; i++)
		buf->p[start + i] = (char)(unsigned char)(meta >> (8 * i));
	if (m->body == NO_BODY)
		return true;
	memcpy(&body, at(msg, m->body), sizeof(body));
	return body.len == 0 || pb_buf_add(buf, body.p, body.len);
}

/* ---- decoding ---- */

/* What a decoder works on; @msg is private until everything was right. */
struct decoder {
	struct pb_arena *arena;
	const struct message *message;
	char *msg;
	struct pb_err *err;
};

static enum pb_status bad(const struct decoder *d, const struct field *f, const char *why)
{
	return pb_err_set(d->err, PB_E_INVALID, "ipc.payload", "%s.%s: %s", d->message->name,
			  f ? f->key : "", why);
}

static void put(const struct decoder *d, size_t offset, const void *p, size_t n)
{
	memcpy(d->msg + offset, p, n);
}

static enum pb_status json_text(const struct decoder *d, const struct field *f, const char *s)
{
	pb_auto_arena scratch;
	const struct pb_json *j;

	pb_arena_init(&scratch, 4u << 20);
	if (pb_json_parse(&scratch, s, strlen(s), NULL, &j, NULL) != PB_OK)
		return bad(d, f, "not JSON");
	if (f->kind == K_OBJECT_OPT && !pb_json_is(j, PB_JSON_OBJECT))
		return bad(d, f, "not an object");
	return PB_OK;
}

static bool method_ok(const char *s)
{
	const size_t n = strlen(s);

	return n > 0 && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}

static enum pb_status read_str(const struct decoder *d, const struct field *f,
			       const struct pb_json *j)
{
	const char *s = pb_json_str(j);

	if (!s)
		return bad(d, f, "not a string without NUL");
	if ((int64_t)strlen(s) > f->max)
		return bad(d, f, "too long");
	if (f->kind == K_METHOD && !method_ok(s))
		return bad(d, f, "not a method");
	if ((f->kind == K_JSON_OPT || f->kind == K_OBJECT_OPT) && json_text(d, f, s) != PB_OK)
		return PB_E_INVALID;
	put(d, f->offset, &s, sizeof(s));
	return PB_OK;
}

static enum pb_status read_number(const struct decoder *d, const struct field *f,
				  const struct pb_json *j)
{
	int64_t v;
	uint32_t narrow;

	if (!pb_json_i64(j, &v) || v < 0 || v > f->max)
		return bad(d, f, "not a number in range");
	narrow = (uint32_t)v;
	if (f->kind == K_U32)
		put(d, f->offset, &narrow, sizeof(narrow));
	else
		put(d, f->offset, &v, sizeof(v));
	return PB_OK;
}

static enum pb_status read_list(const struct decoder *d, const struct field *f,
				const struct pb_json *j)
{
	const char **items;
	const size_t n = j->len;

	if (!pb_json_is(j, PB_JSON_ARRAY) || (int64_t)n > f->max)
		return bad(d, f, "not a list within the limit");
	items = pb_arena_calloc(d->arena, n + 1, sizeof(*items));
	if (!items)
		return pb_err_set(d->err, PB_E_TOO_LARGE, "ipc.memory", "no room for a message");
	for (size_t i = 0; i < n; i++) {
		items[i] = pb_json_str(pb_json_item(j, i));
		if (!items[i] || !*items[i] || strlen(items[i]) > IPC_ID_MAX)
			return bad(d, f, "has a bad item");
	}
	put(d, f->offset, &items, sizeof(items));
	put(d, f->count, &n, sizeof(n));
	return PB_OK;
}

/* RFC 9110: a token. */
static bool header_name_ok(const char *s)
{
	const size_t n = strlen(s);

	return n > 0 && n <= 256 &&
	       strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}

/* No control characters but the tab: nobody starts a second header from inside a value. */
static bool header_value_ok(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

static enum pb_status read_headers(const struct decoder *d, const struct field *f,
				   const struct pb_json *j)
{
	struct ipc_header *items;
	size_t n = j->len / 2;

	if (!pb_json_is(j, PB_JSON_ARRAY) || j->len % 2 != 0 || (int64_t)n > f->max)
		return bad(d, f, "not headers within the limit");
	items = pb_arena_calloc(d->arena, n + 1, sizeof(*items));
	if (!items)
		return pb_err_set(d->err, PB_E_TOO_LARGE, "ipc.memory", "no room for a message");
	for (size_t i = 0; i < n; i++) {
		items[i].name = pb_json_str(pb_json_item(j, 2 * i));
		items[i].value = pb_json_str(pb_json_item(j, 2 * i + 1));
		if (!items[i].name || !items[i].value || !header_name_ok(items[i].name) ||
		    !header_value_ok(items[i].value) || strlen(items[i].value) > IPC_URL_MAX)
			return bad(d, f, "has a bad header");
	}
	put(d, f->offset, &items, sizeof(items));
	put(d, f->count, &n, sizeof(n));
	return PB_OK;
}

static enum pb_status read_field(const struct decoder *d, const struct field *f,
				 const struct pb_json *j)
{
	switch (f->kind) {
	case K_STR:
	case K_STR_OPT:
	case K_JSON_OPT:
	case K_OBJECT_OPT:
	case K_METHOD:
		return read_str(d, f, j);
	case K_U32:
	case K_I64:
	case K_U64:
		return read_number(d, f, j);
	case K_BOOL:
		if (!pb_json_is(j, PB_JSON_BOOL))
			return bad(d, f, "not a boolean");
		put(d, f->offset, &j->b, sizeof(j->b));
		return PB_OK;
	case K_LIST:
		return read_list(d, f, j);
	case K_HEADERS:
		return read_headers(d, f, j);
	}
	return bad(d, f, "of no known kind");
}

static enum pb_status read_fields(const struct decoder *d, const struct pb_json *meta)
{
	const struct message *m = d->message;
	const struct pb_json *j;

	for (size_t i = 0; i < m->n_fields; i++) {
		j = pb_json_get(meta, m->fields[i].key);
		if (!j && (m->fields[i].kind == K_STR || m->fields[i].kind == K_METHOD))
			return bad(d, &m->fields[i], "missing");
		if (j && read_field(d, &m->fields[i], j) != PB_OK)
			return d->err ? d->err->status : PB_E_INVALID;
	}
	return PB_OK;
}

static enum pb_status decode(struct pb_arena *arena, struct pb_slice payload,
			     const struct message *m, void *ret, struct pb_err *err)
{
	static const struct pb_json_limits limits = {.depth = 4, .n_values = 4096};
	struct pb_err own = PB_ERR_INIT;
	const struct decoder d = {arena, m, pb_arena_alloc(arena, m->bytes), err ? err : &own};
	const struct pb_json *meta;
	struct pb_slice body;
	size_t n = 0;

	if (!d.msg)
		return pb_err_set(err, PB_E_TOO_LARGE, "ipc.memory", "no room for a message");
	memset(d.msg, 0, m->bytes);
	for (size_t i = 0; payload.len >= 4 && i < 4; i++)
		n |= (size_t)(unsigned char)payload.p[i] << (8 * i);
	if (payload.len < 4 || n > payload.len - 4)
		return bad(&d, NULL, "cut off");
	if (pb_json_parse(arena, payload.p + 4, n, &limits, &meta, d.err) != PB_OK)
		return d.err->status;
	if (!pb_json_is(meta, PB_JSON_OBJECT))
		return bad(&d, NULL, "not an object");
	if (read_fields(&d, meta) != PB_OK)
		return d.err->status;
	body = pb_slice(payload.p + 4 + n, payload.len - 4 - n);
	if (body.len > (m->body == NO_BODY ? 0 : m->body_max))
		return bad(&d, NULL, "body over the limit");
	if (m->body != NO_BODY)
		put(&d, m->body, &body, sizeof(body));
	memcpy(ret, d.msg, m->bytes);
	return PB_OK;
}

/* ---- the messages ---- */

#define CODEC(name_, body_, body_max_)                                                             \
	static const struct message m_##name_ = {                                                  \
		#name_, f_##name_, PB_ARRAY_LEN(f_##name_), sizeof(struct ipc_##name_),            \
		body_,  body_max_};                                                                \
	bool ipc_encode_##name_(struct pb_buf *buf, const struct ipc_##name_ *msg)                 \
	{                                                                                          \
		return encode(buf, &m_##name_, msg);                                               \
	}                                                                                          \
	enum pb_status ipc_decode_##name_(struct pb_arena *arena, struct pb_slice payload,         \
					  struct ipc_##name_ *ret_msg, struct pb_err *err)         \
	{                                                                                          \
		return decode(arena, payload, &m_##name_, ret_msg, err);                           \
	}

CODEC(setup, offsetof(struct ipc_setup, manifest), IPC_MANIFEST_MAX)
CODEC(hello, NO_BODY, 0)
CODEC(exit, NO_BODY, 0)
CODEC(call, offsetof(struct ipc_call, params), IPC_PARAMS_MAX)
CODEC(result, offsetof(struct ipc_result, output), IPC_RESULT_MAX)
CODEC(fail, NO_BODY, 0)
CODEC(log, NO_BODY, 0)
CODEC(emit, offsetof(struct ipc_emit, event), IPC_RESULT_MAX)
CODEC(http_request, offsetof(struct ipc_http_request, body), IPC_PAYLOAD_MAX)
CODEC(http_response, offsetof(struct ipc_http_response, body), IPC_PAYLOAD_MAX)
CODEC(secret_get, NO_BODY, 0)
CODEC(kv_get, NO_BODY, 0)
CODEC(kv_put, offsetof(struct ipc_kv_put, value), IPC_KV_VALUE_MAX)
CODEC(value, offsetof(struct ipc_value, body), IPC_PARAMS_MAX)

const char *ipc_status_name(uint32_t status)
{
	static const char *const names[] = {
		[IPC_OK] = "ok",
		[IPC_INVALID_INPUT] = "invalid_input",
		[IPC_AUTH_EXPIRED] = "auth_expired",
		[IPC_AUTH_DENIED] = "auth_denied",
		[IPC_RATE_LIMITED] = "rate_limited",
		[IPC_TRANSIENT] = "transient",
		[IPC_PERMANENT] = "permanent",
		[IPC_CANCELLED] = "cancelled",
		[IPC_UNSUPPORTED] = "unsupported",
		[IPC_INTERNAL] = "internal",
	};

	return status < PB_ARRAY_LEN(names) ? names[status] : "permanent";
}
