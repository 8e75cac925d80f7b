/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of routes: which function answers which method and path. Matching happens on the
 * normalised path only (http_path.h), segment by segment; a literal segment wins over a parameter,
 * whatever the order of registration. The table can be listed, so that documents are checked
 * against the code.
 */
#ifndef PB_HTTP_HTTP_ROUTER_H
#define PB_HTTP_HTTP_ROUTER_H

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct http_req;

enum http_method {
	HTTP_GET = 1 << 0,
	HTTP_HEAD = 1 << 1,
	HTTP_POST = 1 << 2,
	HTTP_PUT = 1 << 3,
	HTTP_PATCH = 1 << 4,
	HTTP_DELETE = 1 << 5,
	HTTP_OPTIONS = 1 << 6,
	/* A route for any method but OPTIONS; OPTIONS is answered by the server (Allow, CORS
	 * preflight) unless a route asks for HTTP_OPTIONS itself. */
	HTTP_ANY = HTTP_GET | HTTP_HEAD | HTTP_POST | HTTP_PUT | HTTP_PATCH | HTTP_DELETE,
};

/* Answers with one of http_reply_...; no answer becomes a 500. Runs on a thread with a 100 KB
 * stack. [request] */
typedef void http_handler_fn(struct http_req *req, void *arg);

enum http_route_flag {
	HTTP_ROUTE_CORS_ANY =
		1 << 0, /* any origin may read it, without credentials (public documents, hooks) */
	HTTP_ROUTE_CACHEABLE =
		1 << 1, /* no "Cache-Control: no-store" unless the handler sets one */
	HTTP_ROUTE_DURING_DRAIN = 1 << 2, /* answers while draining (health, metrics) */
	HTTP_ROUTE_HIDDEN = 1 << 3,       /* not part of the published API */
	HTTP_ROUTE_NO_METRICS_LABEL = 1 << 4,
	HTTP_ROUTE_QUERY_REPEATS = 1 << 5, /* a query name may come more than once; elsewhere 400 */
	/* bodies and answers hold secrets: nothing of them stays behind in freed memory (but for
	 * what CivetWeb read together with the head) */
	HTTP_ROUTE_SECRET = 1 << 6,
	HTTP_ROUTE_USER = 1 << 16, /* first bit for the upper layer */
};

/*
 * @method:  one enum http_method, HTTP_ANY or an or of them. A GET route answers HEAD too.
 * @pattern: "/api/v1/workflows/{id}"; "{name}" takes one non-empty segment, "{name...}" the
 * non-empty rest (last only). Literal segments are compared byte by byte after decoding.
 * @max_body_bytes: 0 = no body is accepted (a non-empty one is 413).
 * @permission: for the upper layer's before hook; opaque here.
 * All pointers borrowed for the life of the router (literals).
 */
struct http_route {
	unsigned method;
	const char *pattern;
	http_handler_fn *handler;
	void *arg;
	size_t max_body_bytes;
	unsigned flags;
	const void *permission;
	const char *doc; /* operation name in the OpenAPI document; NULL = none */
};

struct http_router;

struct http_router *http_router_new(void);
void http_router_free(struct http_router *r);
PB_DEFINE_AUTOPTR(http_router, http_router_free);

/* A bad pattern or a second route with the same shape and method is a bug and aborts. [main, before
 * start] */
void http_router_add(struct http_router *r, const struct http_route *route);
void http_router_add_all(struct http_router *r, const struct http_route *routes, size_t n);

/* In order of registration. [any-thread] after start. */
size_t http_router_count(const struct http_router *r);
const struct http_route *http_router_route(const struct http_router *r, size_t i);

#define HTTP_PATH_PARAMS 8

struct http_path_param {
	const char *name; /* not NUL-terminated: name_len */
	size_t name_len;
	struct pb_slice value; /* into the matched path, decoded */
};

struct http_match {
	const struct http_route *route; /* NULL when nothing matched */
	unsigned allow; /* or of the methods of all routes of that path; 0 = no such path */
	size_t n_params;
	struct http_path_param params[HTTP_PATH_PARAMS];
};

/* @path is normalised and decoded (it may hold any byte but NUL, '/' only as separator). @method
 * one bit. True when a route was found. [any-thread] */
bool http_router_match(const struct http_router *r, unsigned method, struct pb_slice path,
		       struct http_match *ret);

/* 0 for anything that is not one of the methods above. Case-sensitive. */
unsigned http_method_parse(const char *s);
const char *http_method_name(unsigned one_bit);
/* "GET, HEAD, POST" */
void http_method_list(unsigned set, char *out, size_t cap);

#endif
