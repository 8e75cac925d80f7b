/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a running call asks of its host: HTTP through egress, secrets that are marked for it, stored
 * values, log lines. Each question carries the call's epoch; an answer that comes back after the call
 * moved to another runner is dropped.
 */
#include "connector/connector_private.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "crypto/crypto_secret.h"
#include "base/base.h"

PB_LOG_TOPIC("connector.log");

#define DECODE_ARENA    ((size_t)16 << 20)
#define ANSWER_BODY_MAX ((size_t)7 << 20) /* a frame has 8 MB, headers and meta take some */
#define ANSWER_BODY     ((size_t)4 << 20)
#define REDIRECTS       5
#define HOSTS_MAX       64
#define CREDENTIALS_MAX EGRESS_CREDENTIALS_MAX
#define DRY_BODY_MAX    65536
#define LOG_MESSAGE_MAX 2048
#define KV_KEY_MAX      256

/* ---- HTTP ---- */

struct connector_http {
	struct pb_list node; /* of call->https */
	struct connector_msg msg;
	struct connector_call *call; /* reference */
	struct egress_transfer *transfer;
	uint32_t request_id, epoch;
	bool safe;
	/* filled on the egress thread */
	enum egress_sent sent;
	bool answered;
	int http_status;
	int64_t retry_after_us;
	struct pb_buf reply; /* encoded HTTP_RESPONSE */
};

static uint32_t status_of(const char *code)
{
	static const struct {
		const char *code;
		uint32_t status;
	} map[] = {
		{"egress.timeout", IPC_TRANSIENT},
		{"egress.connect", IPC_TRANSIENT},
		{"egress.busy", IPC_TRANSIENT},
		{"egress.cancelled", IPC_CANCELLED},
		{"egress.url_invalid", IPC_INVALID_INPUT},
		{"egress.scheme", IPC_INVALID_INPUT},
		{"egress.request_invalid", IPC_INVALID_INPUT},
		{"egress.host_not_declared", IPC_AUTH_DENIED},
		{"connection.incomplete", IPC_AUTH_EXPIRED},
		{"connection.auth_type", IPC_AUTH_EXPIRED},
	};

	for (size_t i = 0; code && i < PB_ARRAY_LEN(map); i++)
		if (strcmp(map[i].code, code) == 0)
			return map[i].status;
	return IPC_PERMANENT;
}

static void encode_failure(struct pb_buf *b, uint32_t status, enum egress_sent sent,
			   const char *code, const char *message)
{
	const struct ipc_http_response msg = {
		.status = status,
		.effect = sent == EGRESS_SENT_MAYBE ? IPC_EFFECT_MAYBE : IPC_EFFECT_NONE,
		.code = code,
		.message = message,
	};
	bool ok = ipc_encode_http_response(b, &msg);

	PB_ASSERT(ok); /* short texts of our own */
}

static void encode_answer(struct pb_buf *b, const struct egress_answer *a)
{
	struct ipc_header headers[EGRESS_HEADERS_MAX];
	struct ipc_http_response msg = {
		.status = IPC_OK,
		.http_status = (uint32_t)a->http_status,
		.retry_after_ms = a->retry_after_us / PB_USEC_PER_MSEC,
		.headers = headers,
		.body = a->body,
	};

	for (size_t i = 0; i < a->n_headers && msg.n_headers < IPC_HEADERS_MAX; i++)
		if (pb_utf8_valid(a->headers[i].value, strlen(a->headers[i].value)) &&
		    pb_utf8_valid(a->headers[i].name, strlen(a->headers[i].name)))
			headers[msg.n_headers++] =
				(struct ipc_header){a->headers[i].name, a->headers[i].value};
	if (ipc_encode_http_response(b, &msg))
		return;
	pb_buf_clear(b);
	encode_failure(b, IPC_PERMANENT, a->sent, "egress.too_large", "the answer is too large");
}

/* On the egress thread: makes the whole frame here, the I/O thread only passes it on. */
static void on_answer(void *arg, const struct egress_answer *a)
{
	struct connector_http *h = arg;

	h->sent = a->sent;
	h->answered = a->status == PB_OK;
	h->http_status = a->http_status;
	h->retry_after_us = a->retry_after_us;
	if (h->answered)
		encode_answer(&h->reply, a);
	else
		encode_failure(&h->reply, status_of(a->code), a->sent, a->code, a->msg);
	connector_post(h->call->owner, &h->msg);
}

static void http_free(struct connector_http *h)
{
	pb_buf_done(&h->reply);
	egress_transfer_unref(h->transfer);
	connector_call_unref(h->call);
	free(h);
}

/* What this request tells about the call's effect. */
static void note_sent(struct connector_call *call, const struct connector_http *h)
{
	call->sent = PB_MAX(call->sent, h->sent);
	if (h->sent == EGRESS_SENT_MAYBE && !h->answered)
		call->unanswered = true;
	if (h->answered) {
		call->last_http_status = h->http_status;
		call->last_retry_after_us = h->retry_after_us;
	}
}

static void http_ended(struct connectors *c, struct connector_msg *msg)
{
	struct connector_http *h = pb_container_of(msg, struct connector_http, msg);
	struct connector_call *call = h->call;

	(void)c;
	note_sent(call, h);
	pb_list_remove(&h->node);
	call->n_https--;
	if (call->state == CALL_RUNNING && call->epoch == h->epoch)
		(void)connector_runner_send(call->runner, IPC_HTTP_RESPONSE, call->id,
					    h->request_id, pb_slice(h->reply.p, h->reply.len));
	else if (call->state == CALL_LEAVING && call->n_https == 0)
		connector_dispatch_left(call);
	http_free(h);
}

static void refuse_http(struct connector_call *call, uint32_t request_id, uint32_t status,
			const char *code, const char *message)
{
	pb_auto_buf b = PB_BUF_INIT;

	encode_failure(&b, status, EGRESS_SENT_NOTHING, code, message);
	(void)connector_runner_send(call->runner, IPC_HTTP_RESPONSE, call->id, request_id,
				    pb_slice(b.p, b.len));
}

static const char *base_url_of(const struct connector_call *call)
{
	const struct connectors *c = call->owner;

	for (size_t i = 0; i < c->cfg.n_overrides; i++)
		if (strcmp(c->overrides[i].connector, call->manifest->id) == 0)
			return c->overrides[i].base_url;
	return call->manifest->base_url;
}

/* "/chat.post" against the base, everything else as it is. NULL when there is no base. */
static const char *full_url(const struct connector_call *call, struct pb_arena *arena,
			    const char *url)
{
	const char *base = base_url_of(call);
	size_t n;

	if (url[0] != '/')
		return url;
	if (!base)
		return NULL;
	n = strlen(base);
	while (n && base[n - 1] == '/')
		n--;
	return pb_arena_printf(arena, "%.*s%s", (int)n, base, url);
}

static void add_host(struct pb_arena *arena, const char **hosts, size_t *n, const char *p,
		     size_t len)
{
	const char *copy = *n < HOSTS_MAX && len ? pb_arena_memdup(arena, p, len) : NULL;

	if (copy)
		hosts[(*n)++] = copy;
}

/* A connection may name several, "a.example.com, *.b.example"; as JSON text, ["a", "b"]. */
static void add_connection_hosts(const struct connector_call *call, struct pb_arena *arena,
				 const char *template_, const char **hosts, size_t *n)
{
	pb_auto_buf b = PB_BUF_INIT;

	if (!call->connection ||
	    !connector_connection_render(call->connection, NULL, template_, &b))
		return;
	for (const char *at = pb_buf_str(&b); *at;) {
		size_t len = strcspn(at, " ,\"[]\t\n");

		add_host(arena, hosts, n, at, len);
		at += len;
		at += strspn(at, " ,\"[]\t\n");
	}
}

static size_t expand_hosts(const struct connector_call *call, struct pb_arena *arena,
			   const char *const *patterns, size_t n_patterns, const char **hosts)
{
	const char *base = base_url_of(call);
	size_t n = 0;

	for (size_t i = 0; i < n_patterns; i++) {
		if (pb_str_starts(patterns[i], "${"))
			add_connection_hosts(call, arena, patterns[i], hosts, &n);
		else
			add_host(arena, hosts, &n, patterns[i], strlen(patterns[i]));
	}
	/* an override's host counts as declared: the administrator named it */
	if (base && base != call->manifest->base_url && strstr(base, "://")) {
		const char *host = strstr(base, "://") + 3;

		add_host(arena, hosts, &n, host, strcspn(host, ":/?#"));
	}
	return n;
}

static enum pb_status add_credentials(struct connector_call *call, struct egress_request *req,
				      struct egress_credential *lines, const char **hosts,
				      struct pb_arena *arena, struct pb_err *err)
{
	const struct connector_credential *cred;
	enum pb_status st = connector_connection_lines(call, err);

	if (st != PB_OK || !call->connection)
		return st;
	cred = connector_manifest_credential(call->manifest,
					     connector_connection_auth_type(call->connection));
	for (size_t i = 0; i < call->n_lines; i++)
		lines[i] = (struct egress_credential){call->lines[i].name, call->lines[i].value,
						      call->lines[i].value_bytes,
						      call->lines[i].in_query};
	req->credentials = lines;
	req->n_credentials = call->n_lines;
	req->credential_hosts = hosts;
	if (cred->n_hosts)
		req->n_credential_hosts =
			expand_hosts(call, arena, cred->hosts, cred->n_hosts, hosts);
	else
		req->n_credential_hosts = expand_hosts(call, arena, call->manifest->hosts,
						       call->manifest->n_hosts, hosts);
	return PB_OK;
}

static int64_t timeout_of(const struct connector_call *call, const struct ipc_http_request *msg)
{
	int64_t left_us = PB_MAX(call->deadline_us - pb_mono_us(), PB_USEC_PER_MSEC);

	return msg->timeout_ms > 0 ? PB_MIN(left_us, msg->timeout_ms * PB_USEC_PER_MSEC) : left_us;
}

static enum pb_status submit(struct connector_call *call, struct connector_http *h,
			     const struct ipc_http_request *msg, struct pb_arena *arena,
			     struct pb_err *err)
{
	struct egress_header headers[IPC_HEADERS_MAX];
	struct egress_credential lines[CREDENTIALS_MAX];
	const char *hosts[HOSTS_MAX], *credential_hosts[HOSTS_MAX];
	struct egress_request req = {
		.method = msg->method,
		.url = full_url(call, arena, msg->url),
		.headers = headers,
		.body = msg->body.len ? msg->body : pb_slice(NULL, 0),
		.timeout_us = timeout_of(call, msg),
		.body_bytes = msg->max_response_bytes
				      ? PB_MIN(msg->max_response_bytes, ANSWER_BODY_MAX)
				      : ANSWER_BODY,
		.redirects = msg->flags & IPC_HTTP_FOLLOW ? REDIRECTS : 0,
		.hosts = hosts,
		.idempotency_key = call->key,
	};
	enum pb_status st = PB_OK;

	if (!req.url)
		return pb_err_set(err, PB_E_INVALID, "egress.url_invalid",
				  "the connector has no base address for a relative URL");
	for (size_t i = 0; i < PB_MIN(msg->n_headers, (size_t)IPC_HEADERS_MAX); i++)
		headers[req.n_headers++] =
			(struct egress_header){msg->headers[i].name, msg->headers[i].value};
	if (msg->flags & IPC_HTTP_REPEATABLE ||
	    call->op->idempotency == CONNECTOR_IDEMPOTENCY_HEADER ||
	    call->op->idempotency == CONNECTOR_IDEMPOTENCY_NATURAL)
		req.flags |= EGRESS_REPEATABLE;
	req.n_hosts =
		expand_hosts(call, arena, call->manifest->hosts, call->manifest->n_hosts, hosts);
	if (req.n_hosts == 0)
		return pb_err_set(err, PB_E_FORBIDDEN, "egress.host_not_declared",
				  "the connector declares no hosts");
	if (!(msg->flags & IPC_HTTP_NO_CREDENTIAL))
		st = add_credentials(call, &req, lines, credential_hosts, arena, err);
	if (st == PB_OK)
		st = egress_submit(call->owner->cfg.egress, &req, on_answer, h, &h->transfer, err);
	return st;
}

/* {"dry_run":true,"request":{...}}: what would have been sent, without credentials. */
static void note_dry(struct connector_call *call, const struct ipc_http_request *msg,
		     const char *url)
{
	struct pb_buf b = PB_BUF_INIT;
	struct pb_jw w;

	pb_jw_init(&w, &b);
	pb_jw_object(&w);
	pb_jw_key(&w, "dry_run");
	pb_jw_bool(&w, true);
	pb_jw_key(&w, "request");
	pb_jw_object(&w);
	pb_jw_key(&w, "method");
	pb_jw_str(&w, msg->method);
	pb_jw_key(&w, "url");
	pb_jw_str(&w, url);
	pb_jw_key(&w, "headers");
	pb_jw_object(&w);
	for (size_t i = 0; i < msg->n_headers; i++) {
		pb_jw_key(&w, msg->headers[i].name);
		pb_jw_str(&w, msg->headers[i].value);
	}
	pb_jw_end(&w);
	pb_jw_key(&w, "body_bytes");
	pb_jw_int(&w, (int64_t)msg->body.len);
	pb_jw_key(&w, "body");
	if (msg->body.len && pb_utf8_valid(msg->body.p, msg->body.len))
		pb_jw_strn(&w, msg->body.p, pb_utf8_cut(msg->body.p, msg->body.len, DRY_BODY_MAX));
	else
		pb_jw_null(&w);
	pb_jw_end(&w);
	pb_jw_end(&w);
	free(call->dry_output);
	call->dry_output = pb_buf_steal(&b, &call->dry_bytes);
}

/* True when the request must not even be tried; the connector has its answer. */
static bool http_refused(struct connector_call *call, uint32_t request_id,
			 const struct ipc_http_request *msg, struct pb_arena *arena)
{
	if (call->cancel_sent) {
		refuse_http(call, request_id, IPC_CANCELLED, "egress.cancelled",
			    "the call is over");
	} else if (call->dry_run) {
		const char *url = full_url(call, arena, msg->url);

		if (!call->dry_output)
			note_dry(call, msg, url ? url : msg->url);
		refuse_http(call, request_id, IPC_CANCELLED, "connector.dry_run",
			    "nothing is sent in a dry run");
	} else if (++call->http_total > call->owner->cfg.http_per_call ||
		   call->n_https >= CONNECTOR_HTTP_AT_ONCE) {
		refuse_http(call, request_id, IPC_PERMANENT, "connector.http_limit",
			    "the call makes too many requests");
	} else if (!call->owner->cfg.egress) {
		refuse_http(call, request_id, IPC_UNSUPPORTED, "connector.no_egress",
			    "this host sends nothing");
	} else {
		return false;
	}
	return true;
}

void connector_service_http(struct connector_call *call, uint32_t request_id,
			    struct pb_slice payload)
{
	pb_auto_arena arena;
	struct pb_err err = PB_ERR_INIT;
	struct ipc_http_request msg;
	struct connector_http *h;

	pb_arena_init(&arena, DECODE_ARENA);
	if (ipc_decode_http_request(&arena, payload, &msg, &err) != PB_OK) {
		refuse_http(call, request_id, IPC_INVALID_INPUT, "egress.request_invalid", err.msg);
		return;
	}
	if (http_refused(call, request_id, &msg, &arena))
		return;
	if (call->may_leave && !call->may_leave(call->arg)) {
		refuse_http(call, request_id, IPC_TRANSIENT, CONNECTOR_WITHHELD,
			    "the call is no longer this host's to make");
		return;
	}
	h = pb_new(struct connector_http);
	h->call = connector_call_ref(call);
	h->msg.fn = http_ended;
	h->request_id = request_id;
	h->epoch = call->epoch;
	pb_buf_init(&h->reply, IPC_PAYLOAD_MAX);
	pb_list_append(&call->https, &h->node);
	call->n_https++;
	if (submit(call, h, &msg, &arena, &err) == PB_OK)
		return;
	pb_list_remove(&h->node);
	call->n_https--;
	http_free(h);
	refuse_http(call, request_id, status_of(err.code), err.code, err.msg);
}

void connector_service_cancel_http(struct connector_call *call)
{
	pb_list_foreach (n, &call->https) {
		struct connector_http *h = pb_list_entry(n, struct connector_http, node);

		if (h->transfer)
			egress_cancel(h->transfer);
	}
}

/* ---- secrets ---- */

static void send_value(struct connector_call *call, uint32_t request_id,
		       const struct ipc_value *msg)
{
	pb_auto_buf b = PB_BUF_INIT;

	pb_buf_init(&b, IPC_PAYLOAD_MAX);
	if (ipc_encode_value(&b, msg))
		(void)connector_runner_send(call->runner, IPC_VALUE, call->id, request_id,
					    pb_slice(b.p, b.len));
	if (b.p)
		crypto_wipe(b.p, b.cap);
}

static bool is_exposed(const struct connector_call *call, const char *field)
{
	const struct connector_credential *cred;

	if (!call->connection)
		return false;
	cred = connector_manifest_credential(call->manifest,
					     connector_connection_auth_type(call->connection));
	for (size_t i = 0; cred && i < cred->n_exposed; i++)
		if (strcmp(cred->exposed[i], field) == 0)
			return true;
	return false;
}

void connector_service_secret(struct connector_call *call, uint32_t request_id,
			      struct pb_slice payload)
{
	pb_auto_arena arena;
	struct ipc_secret_get msg;
	struct ipc_value value = {.status = IPC_AUTH_DENIED,
				  .code = "secret.not_exposed",
				  .message = "the manifest does not expose this field"};

	pb_arena_init(&arena, DECODE_ARENA);
	if (ipc_decode_secret_get(&arena, payload, &msg, NULL) == PB_OK &&
	    is_exposed(call, msg.field) &&
	    connector_connection_field(call->connection, msg.field, &value.body)) {
		value.status = IPC_OK;
		value.found = true;
		value.code = value.message = NULL;
	}
	send_value(call, request_id, &value);
}

/* ---- stored values, by a worker ---- */

struct kv_job {
	struct connector_job job;
	struct connector_msg msg;
	struct connector_call *call;
	uint32_t request_id, epoch;
	bool put, remove;
	uint32_t scope;
	char key[KV_KEY_MAX + 1];
	char owner[PB_UUID_TEXT_BYTES];
	uint64_t revision;
	char *value;
	size_t value_bytes;
	enum pb_status status;
	bool found;
};

static void kv_ended(struct connectors *c, struct connector_msg *msg)
{
	struct kv_job *k = pb_container_of(msg, struct kv_job, msg);
	struct connector_call *call = k->call;
	struct ipc_value value = {.status = IPC_OK, .found = k->found, .revision = k->revision};

	(void)c;
	if (k->status == PB_E_PRECONDITION) {
		value.status = IPC_TRANSIENT;
		value.code = "kv.conflict";
		value.message = "somebody else stored a newer value";
	} else if (k->status != PB_OK) {
		value.status = IPC_TRANSIENT;
		value.code = "kv.unavailable";
		value.message = "stored values cannot be reached";
	} else if (!k->put) {
		value.body = pb_slice(k->value, k->value_bytes);
	}
	if (call->epoch == k->epoch)
		call->n_kv--;
	if (call->state == CALL_RUNNING && call->epoch == k->epoch)
		send_value(call, k->request_id, &value);
	connector_call_unref(call);
	free(k->value);
	free(k);
}

static void kv_run(struct connectors *c, struct connector_job *job)
{
	struct kv_job *k = pb_container_of(job, struct kv_job, job);
	const struct connector_kv_key key = {
		.tenant = k->call->tenant,
		.connector = k->call->manifest->id,
		.scope = k->scope,
		.owner = k->owner,
		.key = k->key,
	};
	struct pb_err err = PB_ERR_INIT;

	if (k->put) {
		k->status = c->cfg.ops.kv_put(c->cfg.ops.arg, &key, k->remove ? NULL : k->value,
					      k->value_bytes, k->revision, &k->revision, &err);
		k->found = k->status == PB_OK && !k->remove;
	} else {
		k->status = c->cfg.ops.kv_get(c->cfg.ops.arg, &key, &k->value, &k->value_bytes,
					      &k->revision, &err);
		k->found = k->status == PB_OK && k->value;
	}
	connector_post(c, &k->msg);
}

/* Fills the job from the frame; NULL and *ret_why when it cannot be done. */
static struct kv_job *kv_job_new(struct connector_call *call, struct pb_slice payload, bool put,
				 const char **ret_why)
{
	pb_auto_arena arena;
	struct ipc_kv_put p = {0};
	struct ipc_kv_get g = {0};
	struct kv_job *k;
	enum pb_status st;

	pb_arena_init(&arena, DECODE_ARENA);
	st = put ? ipc_decode_kv_put(&arena, payload, &p, NULL)
		 : ipc_decode_kv_get(&arena, payload, &g, NULL);
	if (!put)
		p = (struct ipc_kv_put){.scope = g.scope, .key = g.key};
	*ret_why = "the key or value is invalid";
	if (st != PB_OK || strlen(p.key) > KV_KEY_MAX || p.value.len > IPC_KV_VALUE_MAX)
		return NULL;
	*ret_why = "actions have no trigger, and connection values need a connection";
	if (p.scope == IPC_KV_TRIGGER || (p.scope == IPC_KV_CONNECTION && !call->connection))
		return NULL;
	*ret_why = "this host stores no values";
	if (!call->owner->cfg.ops.kv_get || !call->owner->cfg.ops.kv_put)
		return NULL;
	k = pb_new(struct kv_job);
	k->scope = p.scope;
	k->put = put;
	k->remove = p.remove;
	k->revision = p.revision;
	(void)pb_str_copy(k->key, sizeof(k->key), p.key);
	if (p.scope == IPC_KV_CONNECTION)
		pb_uuid_format(connector_connection_id(call->connection), k->owner);
	if (put) {
		k->value = pb_xmemdup(p.value.p ? p.value.p : "", p.value.len);
		k->value_bytes = p.value.len;
	}
	return k;
}

void connector_service_kv(struct connector_call *call, uint32_t request_id, struct pb_slice payload,
			  bool put)
{
	struct ipc_value refused = {.status = IPC_INVALID_INPUT, .code = "kv.refused"};
	struct kv_job *k;

	if (call->n_kv >= CONNECTOR_KV_AT_ONCE) {
		connector_runner_broken(call->runner, "a call asks again before it was answered");
		return;
	}
	if (++call->kv_total > CONNECTOR_KV_PER_HTTP * call->owner->cfg.http_per_call) {
		refused.status = IPC_PERMANENT;
		refused.code = "kv.limit";
		refused.message = "the call asks for too many stored values";
		send_value(call, request_id, &refused);
		return;
	}
	k = kv_job_new(call, payload, put, &refused.message);
	if (!k) {
		send_value(call, request_id, &refused);
		return;
	}
	if (put && call->dry_run) {
		struct ipc_value done = {
			.status = IPC_OK, .found = !k->remove, .revision = k->revision + 1};

		send_value(call, request_id, &done);
		free(k->value);
		free(k);
		return;
	}
	k->call = connector_call_ref(call);
	k->request_id = request_id;
	k->epoch = call->epoch;
	call->n_kv++;
	k->job.run = kv_run;
	k->msg.fn = kv_ended;
	connector_work(call->owner, &k->job);
}

/* ---- log ---- */

static void keep_line(struct connector_call *call, uint32_t level, const char *message,
		      const char *fields)
{
	struct connector_log_line *line;

	if (!call->log)
		call->log = pb_arena_calloc(&call->log_arena, CONNECTOR_LOG_LINES_KEPT,
					    sizeof(*call->log));
	if (!call->log || call->n_log == CONNECTOR_LOG_LINES_KEPT)
		return;
	line = &call->log[call->n_log];
	line->level = (int)level;
	line->message = pb_arena_strdup(&call->log_arena, message);
	line->fields = fields ? pb_arena_strdup(&call->log_arena, fields) : NULL;
	call->n_log += line->message != NULL;
}

/* Redacted fields; NULL when that left no JSON. */
static char *clean_fields(const struct connector_call *call, struct pb_arena *arena,
			  const char *fields)
{
	const struct pb_json *j = NULL;
	pb_autofree char *clean = NULL;

	if (!fields)
		return NULL;
	clean = connector_call_redact(call, fields, strlen(fields), NULL);
	if (strcmp(clean, fields) != 0 &&
	    pb_json_parse(arena, clean, strlen(clean), NULL, &j, NULL) != PB_OK)
		return NULL;
	return pb_steal(clean);
}

/* The runner has a limit too, but it is the connector's own process. */
static bool may_log(struct connector_call *call)
{
	int64_t now_us = pb_mono_us();

	if (now_us - call->log_us >= PB_USEC_PER_SEC) {
		call->log_us = now_us;
		call->log_lines = 0;
	}
	if (call->log_lines == CONNECTOR_LOG_PER_S) {
		call->log_dropped++;
		return false;
	}
	call->log_lines++;
	return true;
}

void connector_service_log(struct connector_call *call, struct pb_slice payload)
{
	pb_auto_arena arena;
	struct ipc_log msg;
	pb_autofree char *text = NULL;
	pb_autofree char *fields = NULL;

	pb_arena_init(&arena, DECODE_ARENA);
	if (!may_log(call))
		return;
	if (ipc_decode_log(&arena, payload, &msg, NULL) != PB_OK)
		return; /* ignoring: a line that cannot be read is no reason to end the call */
	text = connector_call_redact(call, msg.message,
				     pb_utf8_cut(msg.message, strlen(msg.message), LOG_MESSAGE_MAX),
				     NULL);
	fields = clean_fields(call, &arena, msg.fields);
	keep_line(call, msg.level, text, fields);
	/* a connector's word is user data: never above debug in the host's log, errors excepted */
	pb_log(msg.level >= 3 ? PB_LOG_WARN : PB_LOG_DEBUG, "connector says",
	       PB_KV_UUID("patchbay.tenant_id", call->tenant),
	       PB_KV_UUID("patchbay.execution_id", call->execution),
	       PB_KV_STR("patchbay.step_id", call->step),
	       PB_KV_STR("patchbay.connector", connector_action_name(call->action)),
	       PB_KV_STR("text", text), PB_KV_STR("fields", fields ? fields : ""),
	       PB_KV_INT("dropped", (int64_t)msg.dropped + call->log_dropped));
	call->log_dropped = 0;
}
