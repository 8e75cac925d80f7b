/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of host functions as a connector sees it. Arguments come from foreign code: each is checked
 * here so that its author gets PATCHBAY_INVALID_INPUT instead of a broken channel; the host checks again.
 */
#include "runner/runner_call.h"

#include "base/clock.h"
#include "base/id.h"
#include "runner/runner_hash.h"

#include "base/base.h"

/* The wire's numbers and the interface's are one. */
_Static_assert(IPC_INTERNAL == PATCHBAY_INTERNAL && IPC_INVALID_INPUT == PATCHBAY_INVALID_INPUT &&
		       IPC_CANCELLED == PATCHBAY_CANCELLED && IPC_STATUS_COUNT == 10,
	       "status numbers");
_Static_assert(IPC_HTTP_FOLLOW == PATCHBAY_HTTP_FOLLOW &&
		       IPC_HTTP_NO_CREDENTIAL == PATCHBAY_HTTP_NO_CREDENTIAL &&
		       IPC_HTTP_REPEATABLE == PATCHBAY_HTTP_REPEATABLE,
	       "http flags");
_Static_assert(IPC_KV_CONNECTOR == PATCHBAY_KV_CONNECTOR && RUNNER_SHA512 == PATCHBAY_SHA512 &&
		       RUNNER_SHA1 == PATCHBAY_SHA1 && RUNNER_SHA256 == PATCHBAY_SHA256,
	       "other numbers");

#define BODY_MAX (7u << 20)

/* False, and remembered for development mode, when the thread is not the call's own. */
static bool own_thread(struct patchbay_call *call)
{
	PB_CHECK_MAGIC(call, RUNNER_CALL_MAGIC);
	if (pthread_equal(call->thread, pthread_self()))
		return true;
	call->wrong_thread = true;
	return false;
}

static bool text_ok(const char *s, size_t min, size_t max)
{
	const size_t n = s ? strnlen(s, max + 1) : 0;

	return s && n >= min && n <= max && pb_utf8_valid(s, n);
}

static bool json_ok(const char *json, size_t n, enum pb_json_type type, bool any)
{
	pb_auto_arena scratch;
	const struct pb_json *j;

	pb_arena_init(&scratch, 64u << 20);
	return json && pb_json_parse(&scratch, json, n, NULL, &j, NULL) == PB_OK &&
	       (any || pb_json_is(j, type));
}

/* ---- parameters ---- */

static patchbay_status host_params(struct patchbay_call *call, struct patchbay_text *ret)
{
	PB_CHECK_MAGIC(call, RUNNER_CALL_MAGIC);
	ret->ptr = call->msg.params.p;
	ret->len = call->msg.params.len;
	return PATCHBAY_OK;
}

static patchbay_status host_param(struct patchbay_call *call, const char *pointer,
				  struct patchbay_text *ret)
{
	pb_auto_buf b = PB_BUF_INIT;
	const struct pb_json *j;

	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	if (!pointer || (*pointer && *pointer != '/'))
		return PATCHBAY_INVALID_INPUT;
	if (!call->params && pb_json_parse(&call->arena, call->msg.params.p, call->msg.params.len,
					   NULL, &call->params, NULL) != PB_OK)
		return PATCHBAY_INTERNAL;
	j = pb_json_pointer(call->params, pointer, strlen(pointer));
	ret->ptr = NULL;
	ret->len = 0;
	if (!j)
		return PATCHBAY_OK;
	if (!pb_json_write(&b, j) || !(ret->ptr = runner_copy(call, b.p, b.len)))
		return PATCHBAY_INTERNAL;
	ret->len = b.len;
	return PATCHBAY_OK;
}

static patchbay_status host_idempotency_key(struct patchbay_call *call, const char *purpose,
					    const char **ret_key)
{
	char key[RUNNER_KEY_BYTES];

	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	if (!text_ok(purpose, 1, 64))
		return PATCHBAY_INVALID_INPUT;
	runner_idempotency_key(call->msg.idempotency_base, purpose, key);
	*ret_key = runner_copy(call, key, sizeof(key) - 1);
	return *ret_key ? PATCHBAY_OK : PATCHBAY_INTERNAL;
}

static int64_t host_remaining_ms(struct patchbay_call *call)
{
	PB_CHECK_MAGIC(call, RUNNER_CALL_MAGIC);
	return runner_remaining_us(call) / PB_USEC_PER_MSEC;
}

static int32_t host_cancelled(struct patchbay_call *call)
{
	PB_CHECK_MAGIC(call, RUNNER_CALL_MAGIC);
	return atomic_load(&call->cancelled) || runner_remaining_us(call) == 0;
}

/* ---- log ---- */

/* A fixed window of one second: enough to protect the channel, cheap enough to be called in a loop. */
static bool log_admit(struct patchbay_call *call, uint32_t *ret_dropped)
{
	const uint32_t per_s =
		call->runner->setup->log_lines_per_s ? call->runner->setup->log_lines_per_s : 50;
	const int64_t now = pb_mono_us();
	bool admitted;

	pb_lock(&call->log_lock);
	if (now - call->log_window_us >= PB_USEC_PER_SEC) {
		call->log_window_us = now;
		call->log_lines = 0;
	}
	admitted = call->log_lines < per_s;
	*ret_dropped = call->log_dropped;
	call->log_lines += admitted;
	call->log_dropped = admitted ? 0 : call->log_dropped + 1;
	pb_unlock(&call->log_lock);
	return admitted;
}

static patchbay_status host_log(struct patchbay_call *call, uint32_t level, const char *message,
				size_t message_len, const char *fields, size_t fields_len)
{
	struct ipc_log line = {.level = level};
	pb_auto_buf b = PB_BUF_INIT;
	pb_auto_buf text = PB_BUF_INIT, json = PB_BUF_INIT;

	PB_CHECK_MAGIC(call, RUNNER_CALL_MAGIC);
	if (level > PATCHBAY_LOG_ERROR || !message || message_len > IPC_MESSAGE_MAX ||
	    memchr(message, 0, message_len) || !pb_utf8_valid(message, message_len))
		return PATCHBAY_INVALID_INPUT;
	if (fields && (fields_len > IPC_LOG_FIELDS_MAX || memchr(fields, 0, fields_len)))
		return PATCHBAY_INVALID_INPUT;
	if (!log_admit(call, &line.dropped))
		return PATCHBAY_RATE_LIMITED;
	if (fields && !json_ok(fields, fields_len, PB_JSON_OBJECT, false))
		return PATCHBAY_INVALID_INPUT;
	(void)pb_buf_add(&text, message, message_len);
	line.message = pb_buf_str(&text);
	if (fields && pb_buf_add(&json, fields, fields_len))
		line.fields = pb_buf_str(&json);
	if (!ipc_encode_log(&b, &line))
		return PATCHBAY_INTERNAL;
	return ipc_chan_send_wait(call->runner->chan, IPC_LOG, call->id, 0, pb_slice(b.p, b.len),
				  call->deadline_us, NULL) == PB_OK
		       ? PATCHBAY_OK
		       : PATCHBAY_CANCELLED;
}

static void *host_alloc(struct patchbay_call *call, size_t bytes)
{
	return own_thread(call) ? runner_alloc(call, bytes) : NULL;
}

/* ---- http ---- */

static bool request_encode(struct pb_buf *b, struct pb_arena *arena,
			   const struct patchbay_http_request *in)
{
	struct ipc_http_request out = {
		.method = in->method,
		.url = in->url,
		.n_headers = in->n_headers,
		.flags = in->flags,
		.max_response_bytes =
			(uint32_t)PB_MIN(in->max_response_bytes, (uint64_t)IPC_PAYLOAD_MAX),
		.timeout_ms = PB_MIN(PB_MAX(in->timeout_ms, INT64_C(0)), INT64_C(86400000)),
		.body = pb_slice(in->body, in->body_len),
	};
	struct ipc_header *headers;
	struct ipc_http_request check;

	if (!in->method || !text_ok(in->url, 1, IPC_URL_MAX) || in->body_len > BODY_MAX ||
	    (in->body_len > 0 && !in->body) || in->n_headers > IPC_HEADERS_MAX)
		return false;
	headers = pb_arena_calloc(arena, in->n_headers + 1, sizeof(*headers));
	if (!headers)
		return false;
	for (size_t i = 0; i < in->n_headers; i++) {
		headers[i].name = in->headers[i].name;
		headers[i].value = in->headers[i].value;
		if (!headers[i].name || !text_ok(headers[i].value, 0, IPC_URL_MAX))
			return false;
	}
	out.headers = headers;
	/* what the host would refuse is refused here, by the same code */
	return ipc_encode_http_request(b, &out) &&
	       ipc_decode_http_request(arena, pb_slice(b->p, b->len), &check, NULL) == PB_OK;
}

static void response_fill(struct patchbay_call *call, const struct ipc_http_response *in,
			  struct patchbay_http_response *out)
{
	struct patchbay_header *headers;

	out->http_status = (int32_t)in->http_status;
	out->effect = in->effect;
	out->retry_after_ms = in->retry_after_ms;
	out->code = in->code;
	out->message = in->message;
	out->body = in->body.p;
	out->body_len = in->body.len;
	headers = runner_alloc(call, (in->n_headers + 1) * sizeof(*headers));
	if (!headers)
		return;
	for (size_t i = 0; i < in->n_headers; i++) {
		headers[i].name = in->headers[i].name;
		headers[i].value = in->headers[i].value;
	}
	out->headers = headers;
	out->n_headers = in->n_headers;
}

static patchbay_status http(struct patchbay_call *call, const struct patchbay_http_request *request,
			    struct patchbay_http_response *out)
{
	pb_auto_buf b = PB_BUF_INIT;
	struct ipc_http_response answer;
	patchbay_status status;
	struct pb_slice reply;

	pb_buf_init(&b, IPC_PAYLOAD_MAX);
	if (!request_encode(&b, &call->arena, request))
		return PATCHBAY_INVALID_INPUT;
	status =
		runner_ask(call, IPC_HTTP_REQUEST, pb_slice(b.p, b.len), IPC_HTTP_RESPONSE, &reply);
	explicit_bzero(b.p, b.len);
	if (status != PATCHBAY_OK) {
		/* it was on its way when the call ended */
		out->effect = IPC_EFFECT_MAYBE;
		out->message = "the call ended before the answer came";
		return status;
	}
	if (ipc_decode_http_response(&call->arena, reply, &answer, NULL) != PB_OK) {
		out->effect = IPC_EFFECT_MAYBE;
		out->message = "the answer cannot be read";
		return PATCHBAY_INTERNAL;
	}
	response_fill(call, &answer, out);
	return (patchbay_status)answer.status;
}

static patchbay_status host_http(struct patchbay_call *call,
				 const struct patchbay_http_request *request,
				 struct patchbay_http_response *ret)
{
	struct patchbay_http_response out = PATCHBAY_HTTP_RESPONSE_INIT;
	struct patchbay_http_request in = PATCHBAY_HTTP_REQUEST_INIT;
	const uint32_t least = offsetof(struct patchbay_http_request, timeout_ms);
	patchbay_status status;

	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	if (!request || !ret || request->size < least ||
	    ret->size < offsetof(struct patchbay_http_response, code))
		return PATCHBAY_INVALID_INPUT;
	/* structs of an older or newer author: what both know */
	memcpy(&in, request, PB_MIN((size_t)request->size, sizeof(in)));
	status = http(call, &in, &out);
	out.size = ret->size;
	memcpy(ret, &out, PB_MIN((size_t)ret->size, sizeof(out)));
	return status;
}

/* ---- secrets and stored values ---- */

static patchbay_status value_reply(struct patchbay_call *call, struct pb_slice reply,
				   struct patchbay_text *ret_value, uint64_t *ret_revision)
{
	struct ipc_value v;

	if (ipc_decode_value(&call->arena, reply, &v, NULL) != PB_OK)
		return PATCHBAY_INTERNAL;
	if (v.status == IPC_OK && ret_value) {
		ret_value->ptr = v.found ? v.body.p : NULL;
		ret_value->len = v.found ? v.body.len : 0;
	}
	if (ret_revision)
		*ret_revision = v.revision;
	return (patchbay_status)v.status;
}

static patchbay_status host_secret(struct patchbay_call *call, const char *field,
				   struct patchbay_text *ret_value)
{
	const struct ipc_secret_get get = {.field = field};
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_slice reply;
	patchbay_status status;

	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	if (!text_ok(field, 1, IPC_ID_MAX) || !ipc_encode_secret_get(&b, &get))
		return PATCHBAY_INVALID_INPUT;
	status = runner_ask(call, IPC_SECRET_GET, pb_slice(b.p, b.len), IPC_VALUE, &reply);
	if (status == PATCHBAY_OK)
		status = value_reply(call, reply, ret_value, NULL);
	if (status == PATCHBAY_OK && !ret_value->ptr)
		status = PATCHBAY_AUTH_DENIED;
	return status;
}

static patchbay_status host_kv_get(struct patchbay_call *call, uint32_t scope, const char *key,
				   struct patchbay_text *ret_value, uint64_t *ret_revision)
{
	const struct ipc_kv_get get = {.scope = scope, .key = key};
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_slice reply;
	patchbay_status status;

	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	if (scope > PATCHBAY_KV_CONNECTOR || !text_ok(key, 1, IPC_ID_MAX) ||
	    !ipc_encode_kv_get(&b, &get))
		return PATCHBAY_INVALID_INPUT;
	status = runner_ask(call, IPC_KV_GET, pb_slice(b.p, b.len), IPC_VALUE, &reply);
	return status == PATCHBAY_OK ? value_reply(call, reply, ret_value, ret_revision) : status;
}

static patchbay_status host_kv_put(struct patchbay_call *call, uint32_t scope, const char *key,
				   const void *value, size_t value_len, uint64_t revision,
				   uint64_t *ret_revision)
{
	const struct ipc_kv_put put = {.scope = scope,
				       .key = key,
				       .revision = revision,
				       .remove = !value,
				       .value = pb_slice(value, value ? value_len : 0)};
	pb_auto_buf b = PB_BUF_INIT;
	struct pb_slice reply;
	patchbay_status status;

	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	if (scope > PATCHBAY_KV_CONNECTOR || !text_ok(key, 1, IPC_ID_MAX) ||
	    put.value.len > IPC_KV_VALUE_MAX || revision > INT64_MAX ||
	    !ipc_encode_kv_put(&b, &put))
		return PATCHBAY_INVALID_INPUT;
	status = runner_ask(call, IPC_KV_PUT, pb_slice(b.p, b.len), IPC_VALUE, &reply);
	return status == PATCHBAY_OK ? value_reply(call, reply, NULL, ret_revision) : status;
}

/* ---- results ---- */

static uint32_t result_max(const struct patchbay_call *call)
{
	const uint32_t max = call->runner->setup->result_bytes_max;

	return max ? max : 1u << 20;
}

static patchbay_status host_result(struct patchbay_call *call, const char *json, size_t n)
{
	char *copy;

	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	if (n > result_max(call))
		return PATCHBAY_PERMANENT;
	if (!json_ok(json, n, PB_JSON_NULL, true))
		return PATCHBAY_INVALID_INPUT;
	copy = runner_copy(call, json, n);
	if (!copy)
		return PATCHBAY_INTERNAL;
	call->result = pb_slice(copy, n);
	return PATCHBAY_OK;
}

static patchbay_status host_emit(struct patchbay_call *call, const char *json, size_t n,
				 const char *dedup)
{
	const struct ipc_emit emit = {.dedup = dedup, .event = pb_slice(json, n)};
	pb_auto_buf b = PB_BUF_INIT;

	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	if (call->n_events >= RUNNER_EVENTS_MAX || n > result_max(call))
		return PATCHBAY_PERMANENT;
	if ((dedup && !text_ok(dedup, 1, 256)) || !json_ok(json, n, PB_JSON_NULL, true))
		return PATCHBAY_INVALID_INPUT;
	if (!ipc_encode_emit(&b, &emit))
		return PATCHBAY_INTERNAL;
	if (ipc_chan_send_wait(call->runner->chan, IPC_EMIT, call->id, 0, pb_slice(b.p, b.len),
			       call->deadline_us, NULL) != PB_OK)
		return PATCHBAY_CANCELLED;
	call->n_events++;
	return PATCHBAY_OK;
}

static patchbay_status host_cursor_get(struct patchbay_call *call, struct patchbay_text *ret)
{
	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	ret->ptr = call->msg.cursor;
	ret->len = call->msg.cursor ? strlen(call->msg.cursor) : 0;
	return PATCHBAY_OK;
}

static patchbay_status host_cursor_set(struct patchbay_call *call, const char *json, size_t n)
{
	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	if (n > IPC_CURSOR_MAX || !json_ok(json, n, PB_JSON_NULL, true))
		return PATCHBAY_INVALID_INPUT;
	call->cursor = runner_copy(call, json, n);
	return call->cursor ? PATCHBAY_OK : PATCHBAY_INTERNAL;
}

/* A copy of at most @max bytes, not cutting a character; NULL stays NULL. */
static const char *cut_copy(struct patchbay_call *call, const char *s, size_t max)
{
	size_t n;

	if (!s)
		return NULL;
	n = strnlen(s, max + 1);
	return runner_copy(call, s, n > max ? pb_utf8_cut(s, n, max) : n);
}

static patchbay_status host_fail(struct patchbay_call *call, const struct patchbay_failure *failure)
{
	struct patchbay_failure in = PATCHBAY_FAILURE_INIT;

	if (!own_thread(call) || !failure ||
	    failure->size < offsetof(struct patchbay_failure, reserved))
		return PATCHBAY_INTERNAL;
	memcpy(&in, failure, PB_MIN((size_t)failure->size, sizeof(in)));
	if (in.status <= PATCHBAY_OK || in.status > PATCHBAY_INTERNAL)
		in.status = PATCHBAY_PERMANENT;
	call->failure = (struct ipc_fail){
		.status = (uint32_t)in.status,
		.effect = PB_MIN(in.effect, (uint32_t)IPC_EFFECT_DONE),
		.http_status =
			in.http_status > 0 && in.http_status <= 999 ? (uint32_t)in.http_status : 0,
		.retry_after_ms = PB_MIN(PB_MAX(in.retry_after_ms, INT64_C(0)), INT64_C(86400000)),
		.code = cut_copy(call, in.code, IPC_ID_MAX),
		.message = cut_copy(call, in.message ? in.message : "failed", IPC_MESSAGE_MAX - 64),
		.pointer = cut_copy(call, in.pointer, 1024),
	};
	return in.status;
}

/* ---- small things ---- */

static int64_t host_now_ms(struct patchbay_call *call)
{
	(void)call; /* time is the same for all */
	return pb_now_us() / PB_USEC_PER_MSEC;
}

static patchbay_status host_random(struct patchbay_call *call, void *out, size_t bytes)
{
	(void)call; /* any call may have any bytes */
	if (!out || bytes > 65536)
		return PATCHBAY_INVALID_INPUT;
	pb_random_bytes(out, bytes);
	return PATCHBAY_OK;
}

static patchbay_status digest_room(uint32_t algorithm, const void *out, const size_t *out_len)
{
	const size_t need = runner_hash_bytes(algorithm);

	if (need == 0)
		return PATCHBAY_UNSUPPORTED;
	return out && out_len && *out_len >= need ? PATCHBAY_OK : PATCHBAY_INVALID_INPUT;
}

static patchbay_status host_hash(struct patchbay_call *call, uint32_t algorithm, const void *data,
				 size_t n, void *out, size_t *out_len)
{
	const patchbay_status status = digest_room(algorithm, out, out_len);
	struct runner_hash_state s;

	(void)call; /* pure */
	if (status != PATCHBAY_OK || (n > 0 && !data))
		return status ? status : PATCHBAY_INVALID_INPUT;
	runner_hash_init(&s, (enum runner_hash)algorithm);
	runner_hash_add(&s, data, n);
	runner_hash_end(&s, out);
	*out_len = runner_hash_bytes(algorithm);
	return PATCHBAY_OK;
}

static patchbay_status host_hmac(struct patchbay_call *call, uint32_t algorithm, const void *key,
				 size_t key_len, const void *data, size_t n, void *out,
				 size_t *out_len)
{
	const patchbay_status status = digest_room(algorithm, out, out_len);

	(void)call; /* pure */
	if (status != PATCHBAY_OK || (n > 0 && !data) || (key_len > 0 && !key))
		return status ? status : PATCHBAY_INVALID_INPUT;
	runner_hmac((enum runner_hash)algorithm, key, key_len, data, n, out);
	*out_len = runner_hash_bytes(algorithm);
	return PATCHBAY_OK;
}

static patchbay_status host_base64(struct patchbay_call *call, uint32_t how, const void *data,
				   size_t n, struct patchbay_text *ret)
{
	const bool url = how & PATCHBAY_BASE64_URL;
	size_t len;
	char *out;

	if (!own_thread(call))
		return PATCHBAY_INTERNAL;
	if (how > PATCHBAY_BASE64_URL_DECODE || (n > 0 && !data) || n > RUNNER_ALLOC_MAX)
		return PATCHBAY_INVALID_INPUT;
	out = runner_alloc(call, RUNNER_BASE64_BYTES(n));
	if (!out)
		return PATCHBAY_INTERNAL;
	if (how < PATCHBAY_BASE64_DECODE)
		len = runner_base64_encode(data, n, url, out);
	else if (!runner_base64_decode(data, n, url, (uint8_t *)out, &len))
		return PATCHBAY_INVALID_INPUT;
	out[len] = 0;
	ret->ptr = out;
	ret->len = len;
	return PATCHBAY_OK;
}

/* None is carried by protocol 1: the host has no file store to refer to. */
static const void *host_extension(struct patchbay_call *call, const char *id)
{
	(void)call;
	(void)id;
	return NULL;
}

const struct patchbay_host runner_host_table = {
	.size = sizeof(struct patchbay_host),
	.abi_major = PATCHBAY_ABI_MAJOR,
	.abi_minor = PATCHBAY_ABI_MINOR,
	.params = host_params,
	.param = host_param,
	.idempotency_key = host_idempotency_key,
	.remaining_ms = host_remaining_ms,
	.cancelled = host_cancelled,
	.log = host_log,
	.alloc = host_alloc,
	.http = host_http,
	.secret = host_secret,
	.kv_get = host_kv_get,
	.kv_put = host_kv_put,
	.result = host_result,
	.emit = host_emit,
	.cursor_get = host_cursor_get,
	.cursor_set = host_cursor_set,
	.fail = host_fail,
	.now_ms = host_now_ms,
	.random = host_random,
	.hash = host_hash,
	.hmac = host_hmac,
	.base64 = host_base64,
	.extension = host_extension,
};
