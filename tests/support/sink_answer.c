/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What patchbay-sink answers: an echo, unless the request's query (or a first path segment
 * "~a=1,b=2") asks for something else. tests/support/README.md lists the parameters.
 */
#include "sink.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/base.h"

#define PIECE_BYTES (32u * 1024)
#define MAX_BYTES   (INT64_C(1) << 40)
#define MAX_MS      (24 * 3600 * 1000)

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} TABLE[] = {{200, "OK"},
		     {201, "Created"},
		     {202, "Accepted"},
		     {204, "No Content"},
		     {302, "Found"},
		     {400, "Bad Request"},
		     {401, "Unauthorized"},
		     {403, "Forbidden"},
		     {404, "Not Found"},
		     {409, "Conflict"},
		     {422, "Unprocessable Entity"},
		     {429, "Too Many Requests"},
		     {500, "Internal Server Error"},
		     {502, "Bad Gateway"},
		     {503, "Service Unavailable"},
		     {504, "Gateway Timeout"}};

	for (size_t i = 0; i < PB_ARRAY_LEN(TABLE); i++)
		if (TABLE[i].status == status)
			return TABLE[i].text;
	return "As Asked";
}

static void add_head(struct pb_buf *out, int status, const char *type)
{
	pb_buf_addf(out, "HTTP/1.1 %d %s\r\nServer: patchbay-sink\r\nContent-Type: %s\r\n", status,
		    reason(status), type);
}

static void add_length(struct pb_buf *out, uint64_t n, bool close_after)
{
	pb_buf_addf(out, "Content-Length: %llu\r\n%s\r\n", (unsigned long long)n,
		    close_after ? "Connection: close\r\n" : "");
}

void sink_answer_plain(struct pb_buf *out, int status, const char *text, bool close_after)
{
	add_head(out, status, "application/json");
	add_length(out, strlen(text), close_after);
	pb_buf_adds(out, text);
}

/* The body as JSON when it says it is and is, else as text. */
static void echo_body(struct pb_jw *w, const struct sink_request *req)
{
	struct pb_err err = PB_ERR_INIT;
	const struct pb_json *tree = NULL;
	struct pb_arena arena;

	pb_jw_key(w, "body");
	pb_arena_init(&arena, 4 * SINK_BODY_BYTES);
	if (req->is_json &&
	    pb_json_parse(&arena, req->body.p, req->body.len, NULL, &tree, &err) == 0)
		pb_jw_raw(w, req->body.p, req->body.len);
	else
		pb_jw_strn(w, req->body.p ? req->body.p : "", req->body.len);
	pb_arena_done(&arena);
}

static void echo(struct pb_buf *out, const struct sink_request *req, uint64_t call)
{
	struct pb_jw w;

	pb_jw_init(&w, out);
	pb_jw_object(&w);
	pb_jw_key(&w, "received");
	pb_jw_object(&w);
	pb_jw_key(&w, "method");
	pb_jw_strn(&w, req->method.p, req->method.len);
	pb_jw_key(&w, "path");
	pb_jw_strn(&w, req->path.p, req->path.len);
	pb_jw_key(&w, "query");
	pb_jw_strn(&w, req->query.p ? req->query.p : "", req->query.len);
	pb_jw_key(&w, "idempotency_key");
	if (req->key.len > 0)
		pb_jw_strn(&w, req->key.p, req->key.len);
	else
		pb_jw_null(&w);
	echo_body(&w, req);
	pb_jw_end(&w);
	pb_jw_key(&w, "call");
	pb_jw_int(&w, (int64_t)call);
	pb_jw_end(&w);
}

/* A status asked for, perhaps only for the first calls with one idempotency key. */
static int choose_status(const struct sink_request *req, uint64_t call, bool *ret_failing)
{
	int64_t status = 200, times = 0;

	*ret_failing = false;
	if (!sink_request_number(req, "status", 599, &status) || status < 200)
		return 200;
	if (sink_request_number(req, "status_times", INT32_MAX, &times) && call > (uint64_t)times)
		return 200;
	*ret_failing = status >= 300;
	return (int)status;
}

static void add_asked_headers(struct pb_buf *out, const struct sink_request *req, bool failing)
{
	char header[1024];
	int64_t n = 0;

	if (failing && sink_request_number(req, "retry_after", INT32_MAX, &n))
		pb_buf_addf(out, "Retry-After: %lld\r\n", (long long)n);
	if (sink_request_param(req, "header", header, sizeof(header)) && strchr(header, ':') &&
	    !strpbrk(header, "\r\n"))
		pb_buf_addf(out, "%s\r\n", header);
}

static void make_ordinary(const struct sink_request *req, struct pb_buf *out, int status,
			  bool failing, uint64_t call, const struct sink_answer *a)
{
	pb_auto_buf body = PB_BUF_INIT;
	char text[8192];
	bool empty = status == 204 || status == 304;

	if (sink_request_param(req, "answer", text, sizeof(text)))
		pb_buf_adds(&body, text);
	else
		echo(&body, req, call);
	add_head(out, status, "application/json");
	add_asked_headers(out, req, failing);
	if (empty)
		pb_buf_adds(out, a->close ? "Connection: close\r\n\r\n" : "\r\n");
	else
		add_length(out, body.len, a->close);
	if (!empty && !pb_slice_eq_str(req->method, "HEAD"))
		pb_buf_add(out, body.p, body.len);
}

static void make_redirect(struct pb_buf *out, int status, const char *url,
			  const struct sink_answer *a)
{
	add_head(out, status >= 300 && status < 400 ? status : 302, "application/json");
	pb_buf_addf(out, "Location: %s\r\n", url);
	add_length(out, 2, a->close);
	pb_buf_adds(out, "{}");
}

static uint64_t bytes_asked(const struct sink_request *req, int64_t otherwise)
{
	int64_t n = otherwise;

	if (!sink_request_number(req, "bytes", MAX_BYTES, &n))
		n = otherwise;
	return (uint64_t)n;
}

static void make_huge(const struct sink_request *req, struct pb_buf *out, int status,
		      struct sink_answer *a)
{
	a->body = SINK_BODY_FILL;
	a->left = bytes_asked(req, INT64_C(64) << 20);
	add_head(out, status, "text/plain");
	add_length(out, a->left, a->close);
}

static void make_endless(const struct sink_request *req, struct pb_buf *out, int status,
			 struct sink_answer *a)
{
	(void)req;
	a->body = SINK_BODY_CHUNKS;
	add_head(out, status, "text/plain");
	pb_buf_adds(out, "Transfer-Encoding: chunked\r\n\r\n");
}

static void make_slow(const struct sink_request *req, struct pb_buf *out, int status,
		      struct sink_answer *a)
{
	int64_t ms = 100;

	if (!sink_request_number(req, "interval_ms", MAX_MS, &ms))
		ms = 100;
	a->body = SINK_BODY_SLOW;
	a->interval_us = ms * PB_USEC_PER_MSEC;
	a->left = bytes_asked(req, 1000);
	add_head(out, status, "text/plain");
	add_length(out, a->left, a->close);
}

/* What a proxy in front of a dead service may send: declared as JSON, and is not. */
static void make_garbage(const struct sink_request *req, struct pb_buf *out, int status,
			 struct sink_answer *a)
{
	uint64_t n = PB_MIN(bytes_asked(req, 4096), (uint64_t)SINK_BODY_BYTES);
	uint32_t x = 0x9e3779b9u;

	add_head(out, status, "application/json");
	add_length(out, n, a->close);
	for (; n > 0; n--) { /* the same noise every time */
		x = x * 1664525u + 1013904223u;
		pb_buf_addc(out, (char)(x >> 24));
	}
}

static void make_noise(const struct sink_request *req, struct pb_buf *out, int status,
		       struct sink_answer *a)
{
	(void)req;
	(void)status;
	a->body = SINK_BODY_CLOSE;
	pb_buf_adds(out, "\x01\x02SSH-2.0-not-http\r\n\r\n");
}

static void make_hang(const struct sink_request *req, struct pb_buf *out, int status,
		      struct sink_answer *a)
{
	(void)req;
	(void)out;
	(void)status;
	a->body = SINK_BODY_NONE;
}

static void make_close(const struct sink_request *req, struct pb_buf *out, int status,
		       struct sink_answer *a)
{
	(void)req;
	(void)out;
	(void)status;
	a->body = SINK_BODY_CLOSE;
}

static void make_reset(const struct sink_request *req, struct pb_buf *out, int status,
		       struct sink_answer *a)
{
	(void)req;
	(void)out;
	(void)status;
	a->body = SINK_BODY_RESET;
}

/* Promises more than it sends. */
static void make_cut(const struct sink_request *req, struct pb_buf *out, int status,
		     struct sink_answer *a)
{
	a->body = SINK_BODY_CLOSE;
	add_head(out, status, "application/json");
	add_length(out, bytes_asked(req, 1000), false);
	pb_buf_adds(out, "{\"half\":");
}

static void make_headers(const struct sink_request *req, struct pb_buf *out, int status,
			 struct sink_answer *a)
{
	int64_t count = 10000;

	if (!sink_request_number(req, "count", 1000000, &count))
		count = 10000;
	add_head(out, status, "application/json");
	for (int64_t i = 0; i < count; i++)
		pb_buf_addf(out, "X-Flood-%lld: %064lld\r\n", (long long)i, (long long)i);
	add_length(out, 2, a->close);
	pb_buf_adds(out, "{}");
}

static void make_bomb(const struct sink_request *req, struct pb_buf *out, int status,
		      struct sink_answer *a)
{
	a->body = SINK_BODY_BOMB;
	a->patterns = a->left = bytes_asked(req, INT64_C(64) << 20) / SINK_BOMB_PATTERN_BYTES;
	add_head(out, status, "text/plain");
	pb_buf_adds(out, "Content-Encoding: gzip\r\n");
	add_length(out, sink_bomb_size(a->patterns), a->close);
	sink_bomb_head(out);
}

static const struct body_mode {
	const char *name;
	void (*make)(const struct sink_request *, struct pb_buf *, int, struct sink_answer *);
} BODY_MODES[] = {
	{"garbage", make_garbage}, {"noise", make_noise},    {"huge", make_huge},
	{"endless", make_endless}, {"slow", make_slow},      {"hang", make_hang},
	{"close", make_close},     {"reset", make_reset},    {"cut", make_cut},
	{"headers", make_headers}, {"gzip_bomb", make_bomb},
};

static const struct body_mode *find_mode(const struct sink_request *req)
{
	char name[32];

	if (!sink_request_param(req, "body", name, sizeof(name)))
		return NULL;
	for (size_t i = 0; i < PB_ARRAY_LEN(BODY_MODES); i++)
		if (pb_str_eq(BODY_MODES[i].name, name))
			return &BODY_MODES[i];
	return NULL;
}

bool sink_answer_make(const struct sink_request *req, struct pb_buf *out, struct sink_answer *ret)
{
	bool asked = req->query.len > 0 || req->modes.len > 0, failing = false, redirect = false;
	struct sink_answer a = {.body = SINK_BODY_PLAIN, .close = !req->keep_alive};
	const struct body_mode *mode = asked ? find_mode(req) : NULL;
	uint64_t call = sink_record_call(req);
	int status = asked ? choose_status(req, call, &failing) : 200;
	int64_t delay_ms = 0;
	char url[4096];

	if (asked) {
		if (sink_request_number(req, "delay_ms", MAX_MS, &delay_ms))
			a.delay_us = delay_ms * PB_USEC_PER_MSEC;
		redirect = sink_request_param(req, "redirect", url, sizeof(url)) &&
			   !strpbrk(url, "\r\n");
	}
	if (!sink_record_add(req, status))
		return false;
	if (mode)
		mode->make(req, out, status, &a);
	else if (redirect)
		make_redirect(out, status, url, &a);
	else
		make_ordinary(req, out, status, failing, call, &a);
	*ret = a;
	return true;
}

static void add_filler(struct pb_buf *out, uint64_t n)
{
	static const char LINE[] =
		"patchbay patchbay patchbay patchbay patchbay patchbay patchbay\n";

	for (; n > 0; n -= PB_MIN(n, sizeof(LINE) - 1))
		pb_buf_add(out, LINE, PB_MIN(n, sizeof(LINE) - 1));
}

bool sink_answer_more(struct sink_answer *a, struct pb_buf *out)
{
	uint64_t n = PB_MIN(a->left, PIECE_BYTES);

	if (a->body == SINK_BODY_CHUNKS) {
		pb_buf_addf(out, "%x\r\n", PIECE_BYTES);
		add_filler(out, PIECE_BYTES);
		pb_buf_adds(out, "\r\n");
		return true;
	}
	if (a->left == 0)
		return false;
	if (a->body == SINK_BODY_FILL) {
		add_filler(out, n);
	} else if (a->body == SINK_BODY_SLOW) {
		n = 1;
		pb_buf_addc(out, '.');
	} else if (a->body == SINK_BODY_BOMB) {
		n = PB_MIN(a->left, UINT64_C(2048));
		sink_bomb_pattern(out, n);
		if (a->left == n)
			sink_bomb_tail(out, a->patterns);
	}
	a->left -= n;
	return true;
}
