/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the caller's request to a transfer of our own: every rule that can be checked without the
 * network is checked here, on the caller's thread. Headers that decide about framing or the
 * connection are the host's business and refused, because a doubled Content-Length is how requests
 * are smuggled.
 */
#include "egress/egress_transfer.h"

#include <strings.h>
#include "base/clock.h"
#include "base/base.h"

#define METHOD_MAX    32u
#define ARENA_BYTES   (512u * 1024)
#define HOSTS_MAX     64
#define SECRETS_BYTES 65536

static enum pb_status refuse(struct pb_err *err, const char *why)
{
	return pb_err_set(err, PB_E_INVALID, "egress.request_invalid", "%s", why);
}

static bool is_token(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n == 0 || n > max)
		return false;
	return strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}

/* No control characters but tab; header injection begins with one. */
static bool is_value(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
			return false;
	return true;
}

static bool header_is_ours(const char *name)
{
	static const char *const ours[] = {
		"host",
		"content-length",
		"transfer-encoding",
		"connection",
		"expect",
		"te",
		"trailer",
		"upgrade",
		"keep-alive",
		"proxy-authorization",
		"proxy-connection",
		"accept-encoding",
		"http2-settings",
	};

	for (size_t i = 0; i < PB_ARRAY_LEN(ours); i++)
		if (strcasecmp(name, ours[i]) == 0)
			return true;
	return false;
}

/* Tunnels, echoes of credentials and the preface of HTTP/2 are no requests of a connector. */
static enum pb_status check_method(const char *method, struct pb_err *err)
{
	static const char *const never[] = {"CONNECT", "TRACE", "PRI"};
	const size_t n = method ? strnlen(method, METHOD_MAX + 1) : 0;

	if (n == 0 || n > METHOD_MAX || strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != n)
		return refuse(err, "the method is not 1 to 32 capital letters");
	for (size_t i = 0; i < PB_ARRAY_LEN(never); i++)
		if (strcmp(method, never[i]) == 0)
			return refuse(err, "this method is not allowed");
	return PB_OK;
}

static enum pb_status check_headers(const struct egress_request *req, struct pb_err *err)
{
	size_t total = 0;

	if (req->n_headers > EGRESS_HEADERS_MAX)
		return refuse(err, "there are too many headers");
	for (size_t i = 0; i < req->n_headers; i++) {
		const struct egress_header *h = &req->headers[i];

		if (!h->name || !h->value || !is_token(h->name, 128))
			return refuse(err, "a header's name is not a token");
		if (!is_value(h->value, strlen(h->value)))
			return pb_err_set(err, PB_E_INVALID, "egress.request_invalid",
					  "the value of header %s has control characters", h->name);
		if (header_is_ours(h->name))
			return pb_err_set(err, PB_E_INVALID, "egress.request_invalid",
					  "header %s is set by the host", h->name);
		total += strlen(h->name) + strlen(h->value) + 4;
	}
	return total > EGRESS_HEADER_BYTES ? refuse(err, "the headers are too long") : PB_OK;
}

static enum pb_status check_credentials(const struct egress_request *req, struct pb_err *err)
{
	size_t total = 0;

	if (req->n_credentials > EGRESS_CREDENTIALS_MAX)
		return pb_err_set(err, PB_E_INVALID, "egress.credential", "too many credentials");
	for (size_t i = 0; i < req->n_credentials; i++) {
		const struct egress_credential *c = &req->credentials[i];

		if (!c->name || !c->value || !is_token(c->name, 128) ||
		    !is_value(c->value, c->value_bytes) || header_is_ours(c->name))
			return pb_err_set(err, PB_E_INVALID, "egress.credential",
					  "the credential cannot be put into a header");
		total += strlen(c->name) + c->value_bytes + 2;
	}
	if (total > SECRETS_BYTES)
		return pb_err_set(err, PB_E_INVALID, "egress.credential",
				  "the credential is too long");
	return PB_OK;
}

static enum pb_status check_request(const struct egress *e, const struct egress_request *req,
				    struct pb_err *err)
{
	enum pb_status st = check_method(req->method, err);

	if (st == PB_OK)
		st = check_headers(req, err);
	if (st == PB_OK)
		st = check_credentials(req, err);
	if (st != PB_OK)
		return st;
	if (!req->url)
		return refuse(err, "there is no URL");
	if (req->n_hosts > HOSTS_MAX || req->n_credential_hosts > HOSTS_MAX)
		return refuse(err, "too many hosts are declared");
	if (req->redirects > EGRESS_REDIRECTS_MAX)
		return refuse(err, "too many redirects are asked for");
	if (req->body.len > e->cfg.request_bytes)
		return pb_err_set(err, PB_E_TOO_LARGE, "egress.too_large",
				  "the request body is over %zu bytes", e->cfg.request_bytes);
	return PB_OK;
}

static const char *copy(struct egress_transfer *t, const char *s)
{
	const char *c = pb_arena_strdup(&t->arena, s);

	PB_ASSERT(c); /* all sizes were checked against less than the arena's limit */
	return c;
}

static const char *const *copy_list(struct egress_transfer *t, const char *const *list, size_t n)
{
	const char **out = pb_arena_calloc(&t->arena, n + 1, sizeof(*out));

	PB_ASSERT(out);
	for (size_t i = 0; i < n; i++)
		out[i] = copy(t, list[i]);
	return out;
}

static void copy_headers(struct egress_transfer *t, const struct egress_request *req)
{
	struct egress_header *h = pb_arena_calloc(&t->arena, req->n_headers + 1, sizeof(*h));

	PB_ASSERT(h);
	for (size_t i = 0; i < req->n_headers; i++)
		h[i] = (struct egress_header){copy(t, req->headers[i].name),
					      copy(t, req->headers[i].value)};
	t->headers = h;
	t->n_headers = req->n_headers;
}

/* Names and values in one block of their own, so that one call wipes it. */
static void copy_credentials(struct egress_transfer *t, const struct egress_request *req)
{
	size_t at = sizeof(*t->credentials) * req->n_credentials;
	size_t total = at;

	if (req->n_credentials == 0)
		return;
	for (size_t i = 0; i < req->n_credentials; i++)
		total += strlen(req->credentials[i].name) + req->credentials[i].value_bytes + 2;
	t->secrets = pb_xcalloc(1, total);
	t->secrets_bytes = total;
	t->credentials = (void *)t->secrets;
	t->n_credentials = req->n_credentials;
	for (size_t i = 0; i < req->n_credentials; i++) {
		const struct egress_credential *from = &req->credentials[i];
		struct egress_credential *to = &t->credentials[i];
		size_t n = strlen(from->name) + 1;

		*to = *from;
		to->name = memcpy(t->secrets + at, from->name, n);
		to->value = memcpy(t->secrets + at + n, from->value, from->value_bytes);
		at += n + from->value_bytes + 1;
	}
}

enum pb_status egress_request_check_url(const struct egress_transfer *t,
					const struct egress_url *url, struct pb_err *err)
{
	if (!egress_policy_port(t->egress->policy, url->port))
		return pb_err_set(err, PB_E_FORBIDDEN, "egress.destination_blocked",
				  "port %u may not be called", url->port);
	if (t->n_hosts && !egress_host_matches(url->host, t->hosts, t->n_hosts, true))
		return pb_err_set(err, PB_E_FORBIDDEN, "egress.host_not_declared",
				  "the connector does not declare the host %.120s", url->host);
	return PB_OK;
}

static enum pb_status fill(struct egress_transfer *t, const struct egress_request *req,
			   struct pb_err *err)
{
	const struct egress_cfg *cfg = &t->egress->cfg;
	int64_t timeout_us =
		req->timeout_us > 0 ? PB_MIN(req->timeout_us, cfg->timeout_us) : cfg->timeout_us;
	enum pb_status st;

	t->hosts = copy_list(t, req->hosts, req->n_hosts);
	t->n_hosts = req->n_hosts;
	st = egress_url_parse(&t->url, req->url, err);
	if (st == PB_OK)
		st = egress_request_check_url(t, &t->url, err);
	if (st != PB_OK)
		return st;

	t->method = copy(t, req->method);
	t->safe = pb_str_eq(t->method, "GET") || pb_str_eq(t->method, "HEAD") ||
		  pb_str_eq(t->method, "OPTIONS");
	copy_headers(t, req);
	t->credential_hosts = copy_list(t, req->credential_hosts, req->n_credential_hosts);
	t->n_credential_hosts = req->n_credential_hosts;
	copy_credentials(t, req);
	if (req->idempotency_key)
		t->idempotency_key = copy(t, req->idempotency_key);
	t->redirects_max = req->redirects;
	t->flags = req->flags;
	t->body_max = req->body_bytes ? PB_MIN(req->body_bytes, cfg->body_bytes) : cfg->body_bytes;
	t->start_us = pb_mono_us();
	t->deadline_us = t->start_us + timeout_us;
	t->has_body = req->body.p != NULL;
	if (!t->has_body)
		return PB_OK;
	t->body = pb_try_alloc(req->body.len + 1, 1, cfg->request_bytes + 1);
	if (!t->body)
		return pb_err_set(err, PB_E_TOO_LARGE, "egress.too_large", "out of memory");
	memcpy(t->body, req->body.p, req->body.len);
	t->body_bytes = req->body.len;
	return PB_OK;
}

enum pb_status egress_transfer_new(struct egress *e, const struct egress_request *req,
				   struct egress_transfer **ret, struct pb_err *err)
{
	pb_autoptr(egress_transfer) t = NULL;
	enum pb_status st = check_request(e, req, err);

	if (st != PB_OK)
		return st;
	if (req->idempotency_key && strlen(req->idempotency_key) > 1024)
		return refuse(err, "the idempotency key is too long");

	t = pb_new(struct egress_transfer);
	t->magic = EGRESS_TRANSFER_MAGIC;
	atomic_init(&t->refs, 1);
	t->egress = e;
	pb_arena_init(&t->arena, ARENA_BYTES);
	pb_arena_init(&t->got_arena, 4 * EGRESS_HEADER_BYTES);
	st = fill(t, req, err);
	if (st != PB_OK)
		return st;
	*ret = pb_steal(t);
	return PB_OK;
}

void egress_transfer_wipe(struct egress_transfer *t)
{
	if (t->secrets)
		explicit_bzero(t->secrets, t->secrets_bytes);
	free(t->secrets);
	t->secrets = NULL;
	t->credentials = NULL;
	t->n_credentials = 0;
	free(t->body);
	t->body = NULL;
	egress_url_done(&t->url);
	pb_buf_done(&t->got_body);
	pb_arena_done(&t->got_arena);
	pb_arena_done(&t->arena);
	t->got = NULL;
}

void egress_transfer_unref(struct egress_transfer *t)
{
	if (!t)
		return;
	PB_CHECK_MAGIC(t, EGRESS_TRANSFER_MAGIC);
	if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
		return;
	egress_transfer_wipe(t);
	t->magic = 0;
	free(t);
}

enum egress_sent egress_transfer_sent(const struct egress_transfer *t)
{
	return (enum egress_sent)atomic_load_explicit(&t->sent, memory_order_acquire);
}
