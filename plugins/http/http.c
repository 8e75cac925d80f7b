/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP: one request to any service, for people who know its API. Whether it may be repeated depends on the
 * method: GET, HEAD, OPTIONS, PUT and DELETE are harmless by their definition, POST and PATCH are not unless
 * the step says so. Every unsafe request carries an Idempotency-Key that stays the same on each attempt.
 */
#include <string.h>

#include <patchbay/connector.h>
#include <patchbay/json.h>

#include "http_text.h"
#include "manifest_embed.h"

#define HEADERS_MAX 64

/* What the step asked for, read from the parameters. */
struct plan {
	const struct patchbay_host *host;
	struct patchbay_call *call;
	struct patchbay_text params;
	struct patchbay_http_request rq;
	struct patchbay_header headers[HEADERS_MAX + 3];
	int safe; /* GET, HEAD, OPTIONS: changes nothing */
};

static patchbay_status bad_input(const struct plan *p, const char *pointer, const char *message)
{
	return patchbay_fail_input(p->host, p->call, pointer, message);
}

static struct patchbay_text param(const struct plan *p, const char *pointer)
{
	return patchbay_json_find(p->params, pointer);
}

static const char *string(const struct plan *p, const char *pointer)
{
	return patchbay_json_string(p->host, p->call, param(p, pointer), NULL);
}

static int is_one_of(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(s, *list) == 0)
			return 1;
	return 0;
}

static patchbay_status plan_method(struct plan *p)
{
	static const char *const safe[] = {"GET", "HEAD", "OPTIONS", NULL};
	static const char *const natural[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", NULL};
	const char *method = string(p, "/method");

	p->rq.method = method != NULL ? method : "GET";
	p->safe = is_one_of(p->rq.method, safe);
	if (is_one_of(p->rq.method, natural) || patchbay_json_true(param(p, "/repeatable")))
		p->rq.flags |= PATCHBAY_HTTP_REPEATABLE;
	if (patchbay_json_true(param(p, "/follow_redirects")))
		p->rq.flags |= PATCHBAY_HTTP_FOLLOW;
	return PATCHBAY_OK;
}

/* url?existing&query#fragment: the query goes before the fragment, which is dropped. */
static patchbay_status plan_url(struct plan *p)
{
	const char *url = string(p, "/url");
	struct patchbay_writer w;
	const char *hash, *mark;
	size_t n;

	if (url == NULL || *url == 0)
		return bad_input(p, "/url", "an address is needed");
	hash = strchr(url, '#');
	n = hash != NULL ? (size_t)(hash - url) : strlen(url);
	mark = (const char *)memchr(url, '?', n);
	patchbay_writer_init(&w, p->host, p->call);
	patchbay_write_bytes(&w, url, n);
	if (patchbay_json_type(param(p, "/query")) == '{') {
		if (!http_form(&w, param(p, "/query"), mark == NULL ? '?' : '&'))
			return bad_input(p, "/query", "values must be text, numbers or booleans");
	}
	if (w.failed)
		return PATCHBAY_INTERNAL;
	p->rq.url = w.text;
	return PATCHBAY_OK;
}

static int has_header(const struct plan *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->rq.n_headers; i++)
		if (http_same_name(p->headers[i].name, name))
			return 1;
	return 0;
}

static void add_header(struct plan *p, const char *name, const char *value)
{
	p->headers[p->rq.n_headers].name = name;
	p->headers[p->rq.n_headers].value = value;
	p->rq.n_headers++;
}

static patchbay_status plan_headers(struct plan *p)
{
	/* framing and routing belong to the host */
	static const char *const reserved[] = {
		"Host",       "Content-Length", "Transfer-Encoding",
		"Connection", "Upgrade",        "Proxy-Authorization",
		"TE",         "Trailer",        "Expect",
		NULL};
	struct patchbay_json_walk walk;
	struct patchbay_text key, value;
	const char *name, *text;
	const char *const *r;

	p->rq.headers = p->headers;
	patchbay_json_walk_init(&walk, param(p, "/headers"));
	while (patchbay_json_walk_next(&walk, &key, &value)) {
		name = patchbay_json_string(p->host, p->call, key, NULL);
		text = patchbay_json_string(p->host, p->call, value, NULL);
		if (name == NULL || text == NULL || !http_header_ok(name, text))
			return bad_input(p, "/headers", "a header's name or value is not valid");
		for (r = reserved; *r != NULL; r++)
			if (http_same_name(name, *r))
				return bad_input(p, "/headers", "this header is set by the host");
		if (p->rq.n_headers == HEADERS_MAX)
			return bad_input(p, "/headers", "too many headers");
		add_header(p, name, text);
	}
	return PATCHBAY_OK;
}

static patchbay_status plan_body(struct plan *p)
{
	const struct patchbay_text body = param(p, "/body");
	const char *type = string(p, "/body_type"), *content_type;
	struct patchbay_writer w;
	size_t n = 0;

	if (patchbay_json_type(body) == 0)
		return PATCHBAY_OK;
	if (type == NULL)
		type = patchbay_json_type(body) == '"' ? "text" : "json";
	if (strcmp(type, "form") == 0) {
		patchbay_writer_init(&w, p->host, p->call);
		if (patchbay_json_type(body) != '{' || !http_form(&w, body, 0))
			return bad_input(p, "/body", "a form is an object of texts and numbers");
		if (w.failed)
			return PATCHBAY_INTERNAL;
		p->rq.body = w.text != NULL ? w.text : "";
		n = w.len;
		content_type = "application/x-www-form-urlencoded";
	} else if (strcmp(type, "text") == 0) {
		p->rq.body = patchbay_json_string(p->host, p->call, body, &n);
		if (p->rq.body == NULL)
			return bad_input(p, "/body", "text was announced");
		content_type = "text/plain; charset=utf-8";
	} else {
		p->rq.body = body.ptr;
		n = body.len;
		content_type = "application/json";
	}
	p->rq.body_len = n;
	if (!has_header(p, "Content-Type"))
		add_header(p, "Content-Type", content_type);
	return PATCHBAY_OK;
}

static patchbay_status plan_key(struct plan *p)
{
	const char *key;
	patchbay_status status;

	if (p->safe || has_header(p, "Idempotency-Key"))
		return PATCHBAY_OK;
	status = patchbay_idempotency_key(p->host, p->call, "request", &key);
	if (status == PATCHBAY_OK)
		add_header(p, "Idempotency-Key", key);
	return status;
}

static patchbay_status plan_make(struct plan *p)
{
	patchbay_status status = patchbay_params(p->host, p->call, &p->params);
	int64_t timeout_s;

	if (status == PATCHBAY_OK)
		status = plan_method(p);
	if (status == PATCHBAY_OK)
		status = plan_url(p);
	if (status == PATCHBAY_OK)
		status = plan_headers(p);
	if (status == PATCHBAY_OK)
		status = plan_body(p);
	if (status == PATCHBAY_OK)
		status = plan_key(p);
	if (patchbay_json_int(param(p, "/timeout_s"), &timeout_s) && timeout_s > 0)
		p->rq.timeout_ms = timeout_s * 1000;
	return status;
}

/* ---- the answer ---- */

/* "200-299", "404" or 404. */
static int range_holds(const struct plan *p, struct patchbay_text item, int64_t status)
{
	const char *text, *dash;
	struct patchbay_text part;
	int64_t low, high;

	if (patchbay_json_int(item, &low))
		return status == low;
	text = patchbay_json_string(p->host, p->call, item, NULL);
	if (text == NULL)
		return 0;
	dash = strchr(text, '-');
	part.ptr = text;
	part.len = dash != NULL ? (size_t)(dash - text) : strlen(text);
	if (!patchbay_json_int(part, &low))
		return 0;
	high = low;
	if (dash != NULL) {
		part.ptr = dash + 1;
		part.len = strlen(dash + 1);
		if (!patchbay_json_int(part, &high))
			return 0;
	}
	return status >= low && status <= high;
}

static int is_expected(const struct plan *p, int64_t status)
{
	const struct patchbay_text expect = param(p, "/expect");
	struct patchbay_json_walk walk;
	struct patchbay_text key, item;

	if (patchbay_json_type(expect) != '[')
		return status >= 200 && status <= 299;
	patchbay_json_walk_init(&walk, expect);
	while (patchbay_json_walk_next(&walk, &key, &item))
		if (range_holds(p, item, status))
			return 1;
	return 0;
}

static patchbay_status class_of(const struct patchbay_http_response *rs)
{
	switch (rs->http_status) {
	case 401:
		return PATCHBAY_AUTH_EXPIRED;
	case 403:
		return PATCHBAY_AUTH_DENIED;
	case 408:
	case 425:
		return PATCHBAY_TRANSIENT;
	case 429:
		return PATCHBAY_RATE_LIMITED;
	case 503:
		return rs->retry_after_ms > 0 ? PATCHBAY_RATE_LIMITED : PATCHBAY_TRANSIENT;
	default:
		return rs->http_status >= 500 ? PATCHBAY_TRANSIENT : PATCHBAY_PERMANENT;
	}
}

/* A refusal (4xx) did nothing; a success that was not wanted did it; a 5xx may have. */
static uint32_t effect_of(const struct plan *p, const struct patchbay_http_response *rs)
{
	if (p->safe || (rs->http_status >= 400 && rs->http_status < 500 && rs->http_status != 408))
		return PATCHBAY_EFFECT_NONE;
	return rs->http_status < 400 ? PATCHBAY_EFFECT_DONE : PATCHBAY_EFFECT_MAYBE;
}

static patchbay_status fail_unexpected(const struct plan *p,
				       const struct patchbay_http_response *rs)
{
	struct patchbay_failure f = PATCHBAY_FAILURE_INIT;
	struct patchbay_writer w;

	patchbay_writer_init(&w, p->host, p->call);
	patchbay_write_bytes(&w, "the service answered ", 21);
	patchbay_write_int(&w, rs->http_status);
	f.status = class_of(rs);
	f.effect = effect_of(p, rs);
	f.http_status = rs->http_status;
	f.retry_after_ms = rs->retry_after_ms;
	f.code = "http.status";
	f.message = w.failed ? "the service refused" : w.text;
	return patchbay_fail(p->host, p->call, &f);
}

/* The request went well, what is made of its answer did not. */
static patchbay_status fail_answered(const struct plan *p, const struct patchbay_http_response *rs,
				     patchbay_status status, const char *message)
{
	struct patchbay_failure f = PATCHBAY_FAILURE_INIT;

	f.status = status;
	f.effect = effect_of(p, rs);
	f.http_status = rs->http_status;
	f.message = message;
	return patchbay_fail(p->host, p->call, &f);
}

static int header_written(const struct patchbay_http_response *rs, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (strcmp(rs->headers[j].name, rs->headers[i].name) == 0)
			return 1;
	return 0;
}

/* One member a name; values of equal names are joined, as HTTP allows. */
static void write_headers(struct patchbay_writer *w, const struct plan *p,
			  const struct patchbay_http_response *rs)
{
	struct patchbay_writer joined;
	size_t i, j;

	patchbay_write_open(w, '{');
	for (i = 0; i < rs->n_headers; i++) {
		if (header_written(rs, i))
			continue;
		patchbay_writer_init(&joined, p->host, p->call);
		for (j = i; j < rs->n_headers; j++) {
			if (strcmp(rs->headers[j].name, rs->headers[i].name) != 0)
				continue;
			if (j > i)
				patchbay_write_bytes(&joined, ", ", 2);
			patchbay_write_bytes(&joined, rs->headers[j].value,
					     strlen(rs->headers[j].value));
		}
		patchbay_write_key(w, rs->headers[i].name);
		patchbay_write_string(w, joined.text != NULL ? joined.text : "", joined.len);
		w->failed |= joined.failed;
	}
	patchbay_write_close(w, '}');
}

static void write_body(struct patchbay_writer *w, const struct plan *p,
		       const struct patchbay_http_response *rs)
{
	const char *as = string(p, "/response");
	const struct patchbay_text body = {rs->body, rs->body_len};
	const int text_wanted = as != NULL && strcmp(as, "text") == 0;

	patchbay_write_key(w, "body");
	if (rs->body_len == 0)
		patchbay_write_text(w, NULL);
	else if (!text_wanted && patchbay_json_valid(rs->body, rs->body_len))
		patchbay_write_json(w, body);
	else if (http_utf8_ok(rs->body, rs->body_len))
		patchbay_write_string(w, rs->body, rs->body_len);
	else
		patchbay_write_text(w, NULL); /* bytes that are no text; "bytes" says how many */
}

static patchbay_status request(const struct patchbay_host *host, struct patchbay_call *call)
{
	struct patchbay_http_response rs = PATCHBAY_HTTP_RESPONSE_INIT;
	const struct patchbay_http_request rq = PATCHBAY_HTTP_REQUEST_INIT;
	struct patchbay_writer w;
	patchbay_status status;
	struct plan p;

	memset(&p, 0, sizeof(p));
	p.host = host;
	p.call = call;
	p.rq = rq;
	status = plan_make(&p);
	if (status != PATCHBAY_OK)
		return status;
	status = patchbay_http(host, call, &p.rq, &rs);
	if (status == PATCHBAY_INVALID_INPUT)
		return bad_input(&p, "/url", "the request is not valid");
	if (status != PATCHBAY_OK)
		return patchbay_fail_http(host, call, status, &rs);
	if (!is_expected(&p, rs.http_status))
		return fail_unexpected(&p, &rs);
	if (string(&p, "/response") != NULL && strcmp(string(&p, "/response"), "json") == 0 &&
	    !patchbay_json_valid(rs.body, rs.body_len))
		return fail_answered(&p, &rs, PATCHBAY_PERMANENT, "the answer is not JSON");

	patchbay_writer_init(&w, host, call);
	patchbay_write_open(&w, '{');
	patchbay_write_key(&w, "status");
	patchbay_write_int(&w, rs.http_status);
	patchbay_write_key(&w, "headers");
	write_headers(&w, &p, &rs);
	write_body(&w, &p, &rs);
	patchbay_write_key(&w, "bytes");
	patchbay_write_int(&w, (int64_t)rs.body_len);
	patchbay_write_close(&w, '}');
	if (w.failed)
		return fail_answered(&p, &rs, PATCHBAY_INTERNAL, "no memory for the result");
	status = patchbay_result(host, call, w.text, w.len);
	if (status == PATCHBAY_OK)
		return status;
	return fail_answered(&p, &rs, status,
			     status == PATCHBAY_PERMANENT ? "the answer is too large for a result"
							  : "the answer makes no result");
}

/* ---- the test of a connection ---- */

/* A field of the connection as a string; NULL when it has none. */
static const char *field(const struct plan *p, const char *name)
{
	struct patchbay_text value = {NULL, 0};
	struct patchbay_writer w;

	if (patchbay_secret(p->host, p->call, name, &value) != PATCHBAY_OK || value.len == 0)
		return NULL;
	patchbay_writer_init(&w, p->host, p->call);
	patchbay_write_bytes(&w, value.ptr, value.len);
	return w.failed ? NULL : w.text;
}

/*
 * GET test_url. Elsewhere than at the connection's own hosts the credential would not be sent, and an answer
 * would prove nothing.
 */
static patchbay_status test_credential(const struct patchbay_host *host, struct patchbay_call *call)
{
	static const char result[] = "{}";
	struct patchbay_http_response rs = PATCHBAY_HTTP_RESPONSE_INIT;
	const struct patchbay_http_request rq = PATCHBAY_HTTP_REQUEST_INIT;
	const char *hosts;
	patchbay_status status;
	struct plan p;

	memset(&p, 0, sizeof(p));
	p.host = host;
	p.call = call;
	p.safe = 1;
	p.rq = rq;
	p.rq.method = "GET";
	p.rq.flags = PATCHBAY_HTTP_REPEATABLE;
	p.rq.url = field(&p, "test_url");
	if (p.rq.url == NULL)
		return patchbay_fail_with(host, call, PATCHBAY_UNSUPPORTED,
					  "the connection has no address for a test");
	hosts = field(&p, "host");
	if (hosts == NULL || !http_host_listed(p.rq.url, hosts))
		return patchbay_fail_with(
			host, call, PATCHBAY_PERMANENT,
			"the address for the test is not on the connection's host");
	status = patchbay_http(host, call, &p.rq, &rs);
	if (status != PATCHBAY_OK)
		return patchbay_fail_http(host, call, status, &rs);
	if (rs.http_status < 200 || rs.http_status > 299)
		return fail_unexpected(&p, &rs);
	return patchbay_result(host, call, result, sizeof(result) - 1);
}

static const struct patchbay_operation operations[] = {
	{"action:request", request},
	{"test:bearer", test_credential},
	{"test:basic", test_credential},
	{"test:header", test_credential},
};

PATCHBAY_MODULE(operations, patchbay_manifest_bytes, PATCHBAY_MANIFEST_BYTES)
