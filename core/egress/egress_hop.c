/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One hop of a transfer on one curl handle: options, callbacks, redirects, and what curl's result
 * means. The surprising thing: curl sends a request again by itself when a kept connection turns out
 * to be dead; pre_request() is called for that too and forbids it where twice would be wrong.
 */
#include "egress/egress_transfer.h"

#include <strings.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/parse.h"
#include "base/base.h"

/* Idle connections may be that old; less for requests that must not meet a closing server. */
#define IDLE_REPEATABLE_S 30L
#define IDLE_UNSAFE_S     3L
#define LIFETIME_S        300L
#define RATIO_FROM_BYTES  65536

static void worse_sent(struct egress_transfer *t, enum egress_sent sent)
{
	if (sent > egress_transfer_sent(t))
		atomic_store_explicit(&t->sent, (int)sent, memory_order_release);
}

/* ---- callbacks ---- */

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct egress_transfer *t = arg;

	(void)purpose;
	if (egress_policy_address(t->egress->policy, &a->addr, a->addrlen) == EGRESS_BLOCKED) {
		t->fault = EGRESS_FAULT_BLOCKED;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* Called with an open connection, new or kept, right before the request's first byte. */
static int pre_request(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct egress_transfer *t = arg;
	enum egress_verdict verdict = egress_policy_text(t->egress->policy, ip);

	(void)local_ip;
	(void)local_port;
	(void)pb_str_copy(t->address, sizeof(t->address), ip);
	t->fault = EGRESS_FAULT_NONE;
	if (verdict == EGRESS_BLOCKED || !egress_policy_port(t->egress->policy, (uint16_t)port))
		t->fault = EGRESS_FAULT_BLOCKED;
	else if (t->credentialed && !t->url.https && verdict != EGRESS_ALLOWED)
		t->fault = EGRESS_FAULT_CLEAR;
	else if (t->requested && !t->safe && !(t->flags & EGRESS_REPEATABLE))
		t->fault = EGRESS_FAULT_REPEAT;
	if (t->fault != EGRESS_FAULT_NONE)
		return CURL_PREREQFUNC_ABORT;

	t->requested = true;
	worse_sent(t, t->safe ? EGRESS_SENT_SAFE : EGRESS_SENT_MAYBE);
	return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct egress_transfer *t = arg;
	curl_off_t wire = 0;

	(void)size; /* always 1 */
	t->body_begun = true;
	if (t->got_body.len + n > t->body_max) {
		t->fault = EGRESS_FAULT_LARGE;
		return 0;
	}
	if (t->got_body.len > RATIO_FROM_BYTES &&
	    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire) == CURLE_OK &&
	    (curl_off_t)t->got_body.len > (wire + 16384) * EGRESS_UNPACK_RATIO) {
		t->fault = EGRESS_FAULT_LARGE;
		return 0;
	}
	if (!pb_buf_add(&t->got_body, p, n)) {
		t->fault = EGRESS_FAULT_MEMORY;
		return 0;
	}
	return n;
}

/* A status line begins a new answer: interim ones (1xx) are forgotten, but still counted. */
static void begin_answer(struct egress_transfer *t)
{
	pb_arena_reset(&t->got_arena);
	t->got = NULL;
	t->n_got = 0;
}

static void trim(const char **p, size_t *n)
{
	while (*n && (**p == ' ' || **p == '\t')) {
		(*p)++;
		(*n)--;
	}
	while (*n && strchr(" \t\r\n", (*p)[*n - 1]))
		(*n)--;
}

static bool keep_header(struct egress_transfer *t, const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);
	const char *value;
	size_t value_n;
	char *name;

	if (!colon || colon == p || t->n_got == EGRESS_HEADERS_MAX)
		return true; /* ignoring: not a header, or one more than anybody looks at */
	if (!t->got)
		t->got = pb_arena_calloc(&t->got_arena, EGRESS_HEADERS_MAX, sizeof(*t->got));
	value = colon + 1;
	value_n = n - (size_t)(value - p);
	trim(&value, &value_n);
	name = pb_arena_memdup(&t->got_arena, p, (size_t)(colon - p));
	value = pb_arena_memdup(&t->got_arena, value, value_n);
	if (!t->got || !name || !value)
		return false;
	for (char *c = name; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + ('a' - 'A'));
	t->got[t->n_got++] = (struct egress_header){name, value};
	return true;
}

/* The newest header is a Content-Length that contradicts an earlier one: nobody knows where the body ends. */
static bool two_lengths(const struct egress_transfer *t)
{
	const struct egress_header *last = t->n_got ? &t->got[t->n_got - 1] : NULL;
	const char *first;

	if (!last || strcmp(last->name, "content-length") != 0)
		return false;
	first = egress_hop_header(t, "content-length");
	return strcmp(first, last->value) != 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct egress_transfer *t = arg;

	(void)size;
	t->header_bytes += n;
	if (++t->n_lines > EGRESS_LINES_MAX || t->header_bytes > EGRESS_HEADER_BYTES) {
		t->fault = EGRESS_FAULT_LARGE;
		return 0;
	}
	if (t->body_begun)
		return n; /* a trailer: counted, not kept */
	if (n > 5 && memcmp(p, "HTTP/", 5) == 0) {
		begin_answer(t);
		return n;
	}
	if (!keep_header(t, p, n)) {
		t->fault = EGRESS_FAULT_MEMORY;
		return 0;
	}
	if (two_lengths(t)) {
		t->fault = EGRESS_FAULT_FRAMING;
		return 0;
	}
	return n;
}

/* ---- setup ---- */

static bool add_line(struct egress_transfer *t, const char *name, const char *value, size_t n)
{
	struct pb_buf line = PB_BUF_INIT;
	struct curl_slist *more = NULL;

	pb_buf_init(&line, EGRESS_HEADER_BYTES + 256);
	/* reserved once, so that the value is in one place only; an empty value is "Name;" to curl */
	if (pb_buf_reserve(&line, strlen(name) + n + 4) && pb_buf_adds(&line, name) &&
	    pb_buf_adds(&line, n ? ": " : ";") && pb_buf_add(&line, value, n))
		more = curl_slist_append(t->lines, line.p);
	if (line.p)
		explicit_bzero(line.p, line.len);
	pb_buf_done(&line);
	if (more)
		t->lines = more;
	return more != NULL;
}

/* "Name:" takes a header away that curl would add by itself. */
static bool drop_line(struct egress_transfer *t, const char *text)
{
	struct curl_slist *more = curl_slist_append(t->lines, text);

	if (more)
		t->lines = more;
	return more != NULL;
}

static bool is_credential(const struct egress_transfer *t, const char *name)
{
	for (size_t i = 0; i < t->n_credentials; i++)
		if (!t->credentials[i].in_query && strcasecmp(t->credentials[i].name, name) == 0)
			return true;
	return false;
}

static bool add_headers(struct egress_transfer *t)
{
	bool type = false;
	bool ok = drop_line(t, "Expect:");

	for (size_t i = 0; i < t->n_headers && ok; i++) {
		const struct egress_header *h = &t->headers[i];

		type = type || strcasecmp(h->name, "content-type") == 0;
		if (!(t->credentialed && is_credential(t, h->name)))
			ok = add_line(t, h->name, h->value, strlen(h->value));
	}
	if (ok && !type)
		ok = drop_line(t, "Content-Type:");
	return ok;
}

static bool add_credentials(struct egress_transfer *t)
{
	bool ok = true;

	t->credentialed = t->n_credentials && egress_host_matches(t->url.host, t->credential_hosts,
								  t->n_credential_hosts, false);
	for (size_t i = 0; t->credentialed && ok && i < t->n_credentials; i++) {
		const struct egress_credential *c = &t->credentials[i];

		ok = c->in_query ? egress_url_add_query(&t->url, c->name, c->value, c->value_bytes)
				 : add_line(t, c->name, c->value, c->value_bytes);
	}
	return ok;
}

static void set_policy(struct egress_transfer *t, CURL *h)
{
	const struct egress *e = t->egress;

	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	/* else taking away a transfer joins its resolver thread, and all others wait for that server */
	curl_easy_setopt(h, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(h, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (e->ca_file)
		curl_easy_setopt(h, CURLOPT_CAINFO, e->ca_file);
	curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, pre_request);
	curl_easy_setopt(h, CURLOPT_PREREQDATA, t);
}

static void set_limits(struct egress_transfer *t, CURL *h)
{
	int64_t left_ms = (t->deadline_us - pb_mono_us()) / PB_USEC_PER_MSEC;
	bool careful = !t->safe && !(t->flags & EGRESS_REPEATABLE);

	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)PB_MAX(left_ms, INT64_C(1)));
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(t->egress->cfg.connect_us / PB_USEC_PER_MSEC));
	curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->body_max);
	curl_easy_setopt(h, CURLOPT_MAXAGE_CONN, careful ? IDLE_UNSAFE_S : IDLE_REPEATABLE_S);
	curl_easy_setopt(h, CURLOPT_MAXLIFETIME_CONN, LIFETIME_S);
	curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 8192L);
	curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
}

static void set_request(struct egress_transfer *t, CURL *h)
{
	bool wants_body = pb_str_eq(t->method, "POST") || pb_str_eq(t->method, "PUT") ||
			  pb_str_eq(t->method, "PATCH");

	curl_easy_setopt(h, CURLOPT_CURLU, t->url.parts);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_USERAGENT, t->egress->user_agent);
	curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	if (t->has_body || wants_body) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, t->has_body ? t->body : "");
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_bytes);
	}
	if (pb_str_eq(t->method, "HEAD"))
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, t->method);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, t->lines);
}

static void reset_answer(struct egress_transfer *t)
{
	begin_answer(t);
	pb_buf_done(&t->got_body);
	pb_buf_init(&t->got_body, t->body_max);
	t->n_lines = t->header_bytes = 0;
	t->body_begun = t->requested = t->reused = false;
	t->fault = EGRESS_FAULT_NONE;
	t->error[0] = t->address[0] = 0;
}

enum pb_status egress_hop_setup(struct egress_transfer *t, CURL *easy, struct pb_err *err)
{
	reset_answer(t);
	t->easy = easy;
	if (!add_credentials(t) || !add_headers(t))
		return pb_err_set(err, PB_E_INVALID, "egress.credential",
				  "the credential does not fit into the request");
	set_policy(t, easy);
	set_limits(t, easy);
	set_request(t, easy);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	return PB_OK;
}

/* ---- the end of a hop ---- */

static void free_lines(struct egress_transfer *t)
{
	if (t->credentialed)
		for (struct curl_slist *l = t->lines; l; l = l->next)
			explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(t->lines);
	t->lines = NULL;
}

void egress_hop_finish(struct egress_transfer *t)
{
	long connects = 0;

	curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	t->reused = t->requested && connects == 0;
	if (connects > 0)
		atomic_fetch_add_explicit(&t->egress->connects, (uint64_t)connects,
					  memory_order_relaxed);
	if (t->reused)
		atomic_fetch_add_explicit(&t->egress->reuses, 1, memory_order_relaxed);
	free_lines(t);
}

const char *egress_hop_header(const struct egress_transfer *t, const char *name)
{
	for (size_t i = 0; i < t->n_got; i++)
		if (strcmp(t->got[i].name, name) == 0)
			return t->got[i].value;
	return NULL;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_private_header(const char *name)
{
	return strcasecmp(name, "authorization") == 0 || strcasecmp(name, "cookie") == 0 ||
	       strcasecmp(name, "x-api-key") == 0;
}

static bool is_body_header(const char *name)
{
	return strncasecmp(name, "content-", 8) == 0;
}

static void filter_headers(struct egress_transfer *t, bool (*drop)(const char *))
{
	struct egress_header *kept = pb_arena_calloc(&t->arena, t->n_headers + 1, sizeof(*kept));
	size_t n = 0;

	for (size_t i = 0; kept && i < t->n_headers; i++)
		if (!drop(t->headers[i].name))
			kept[n++] = t->headers[i];
	t->headers = kept;
	t->n_headers = n;
}

/* 303 is always a GET; 301 and 302 turn a POST into one, as every client does. */
static void next_method(struct egress_transfer *t, long status)
{
	bool to_get = (status == 303 && !pb_str_eq(t->method, "HEAD")) ||
		      ((status == 301 || status == 302) && pb_str_eq(t->method, "POST"));

	if (!to_get)
		return;
	t->method = "GET";
	t->safe = true;
	t->has_body = false;
	t->body_bytes = 0;
	filter_headers(t, is_body_header);
}

static void drop_credentials(struct egress_transfer *t)
{
	if (t->secrets)
		explicit_bzero(t->secrets, t->secrets_bytes);
	t->n_credentials = 0;
	filter_headers(t, is_private_header);
}

bool egress_hop_redirect(struct egress_transfer *t, enum pb_status *ret_st, struct pb_err *err)
{
	struct egress_url next = {0};
	const char *location = egress_hop_header(t, "location");
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!is_redirect(status) || !location || t->redirects_max == 0)
		return false;
	if (t->redirects == t->redirects_max) {
		*ret_st = pb_err_set(err, PB_E_UNPROCESSABLE, "egress.redirects",
				     "more than %u redirects", t->redirects_max);
		return true;
	}

	*ret_st = egress_url_redirect(&t->url, location, &next, err);
	if (*ret_st == PB_OK)
		*ret_st = egress_request_check_url(t, &next, err);
	if (*ret_st != PB_OK) {
		(void)pb_err_prefix(err, "after a redirect");
		egress_url_done(&next);
		return true;
	}
	if (!egress_url_same_origin(&t->url, &next))
		drop_credentials(t);
	next_method(t, status);
	egress_url_done(&t->url);
	t->url = next;
	t->redirects++;
	return true;
}

static enum pb_status fault_status(const struct egress_transfer *t, struct pb_err *err)
{
	switch (t->fault) {
	case EGRESS_FAULT_BLOCKED:
		return pb_err_set(err, PB_E_FORBIDDEN, "egress.destination_blocked",
				  "%.120s is in a network that may not be called", t->url.host);
	case EGRESS_FAULT_CLEAR:
		return pb_err_set(err, PB_E_INVALID, "egress.scheme",
				  "credentials are not sent over plain http");
	case EGRESS_FAULT_REPEAT:
		return pb_err_set(err, PB_E_UNAVAILABLE, "egress.connect",
				  "the connection was lost after the request had been sent");
	case EGRESS_FAULT_LARGE:
		return pb_err_set(err, PB_E_TOO_LARGE, "egress.too_large",
				  "the answer is over its limit of %zu bytes, has too many headers "
				  "or unpacks to too much",
				  t->body_max);
	case EGRESS_FAULT_FRAMING:
		return pb_err_set(err, PB_E_UNPROCESSABLE, "egress.protocol",
				  "%.120s gave two different lengths", t->url.host);
	default:
		return pb_err_set(err, PB_E_TOO_LARGE, "egress.too_large", "out of memory");
	}
}

static enum pb_status tls_status(const struct egress_transfer *t, struct pb_err *err)
{
	return pb_err_set(err, PB_E_UNPROCESSABLE, "egress.tls", "TLS with %.100s failed: %.120s",
			  t->url.host, t->error[0] ? t->error : "no details");
}

enum pb_status egress_hop_status(const struct egress_transfer *t, CURLcode rc, struct pb_err *err)
{
	const char *host = t->url.host;

	if (rc == CURLE_OK)
		return PB_OK;
	if (t->fault != EGRESS_FAULT_NONE)
		return fault_status(t, err);

	switch (rc) {
	case CURLE_OPERATION_TIMEDOUT:
		return pb_err_set(err, PB_E_TIMEOUT, "egress.timeout", "%.120s %s in time", host,
				  t->requested ? "did not answer" : "could not be connected to");
	case CURLE_FILESIZE_EXCEEDED:
		return pb_err_set(err, PB_E_TOO_LARGE, "egress.too_large",
				  "the answer is over %zu bytes", t->body_max);
	case CURLE_COULDNT_RESOLVE_HOST:
		return pb_err_set(err, PB_E_UNAVAILABLE, "egress.connect",
				  "the name %.120s has no address", host);
	case CURLE_COULDNT_CONNECT:
		return pb_err_set(err, PB_E_UNAVAILABLE, "egress.connect",
				  "%.120s does not accept connections", host);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CACERT_BADFILE:
		return tls_status(t, err);
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return pb_err_set(err, PB_E_UNAVAILABLE, "egress.connect",
				  "the connection to %.120s was lost", host);
	default:
		return pb_err_set(err, PB_E_UNPROCESSABLE, "egress.protocol",
				  "%.120s did not answer in proper HTTP", host);
	}
}
