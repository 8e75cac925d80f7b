/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request as a handler sees it. Everything borrowed from it lives until the handler returns.
 * The body is read only when asked for, up to the route's limit and within a deadline for the whole
 * of it. All functions: [request], that is, only on the thread that runs the handler.
 */
#ifndef PB_HTTP_HTTP_REQUEST_H
#define PB_HTTP_HTTP_REQUEST_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "http/http_path.h"
#include "http/http_router.h"

struct http_req;

#define HTTP_REQUEST_ID_BYTES 72

unsigned http_req_method(const struct http_req *r); /* one enum http_method; HEAD stays HEAD */
const char *http_req_method_name(const struct http_req *r);
const char *http_req_path(const struct http_req *r); /* decoded, normalised */
const char *http_req_target(
	const struct http_req *r); /* as sent: path and query (may hold tokens: never log) */
struct pb_slice http_req_query_raw(const struct http_req *r);
const struct http_route *http_req_route(const struct http_req *r); /* NULL before matching (404) */

/* {name} of the pattern; a name the pattern does not have is a bug and aborts. */
struct pb_slice http_req_param(const struct http_req *r, const char *name);
/* False and PB_E_NOT_FOUND http.not_found when it is not a UUID: same answer as an id that is not
 * there. */
enum pb_status http_req_param_uuid(const struct http_req *r, const char *name, struct pb_uuid *ret,
				   struct pb_err *err) pb_must_check;

/* NULL when absent; "" when empty. May hold no NUL. */
const char *http_req_query(const struct http_req *r, const char *name);
/* @dflt when absent. PB_E_INVALID http.query_invalid outside [min, max]. */
enum pb_status http_req_query_i64(const struct http_req *r, const char *name, int64_t min,
				  int64_t max, int64_t dflt, int64_t *ret,
				  struct pb_err *err) pb_must_check;
size_t http_req_query_count(const struct http_req *r);
const struct http_param *http_req_query_at(const struct http_req *r, size_t i);

/* First header of that name in any case, without blanks around; NULL when absent. */
const char *http_req_header(const struct http_req *r, const char *name);
size_t http_req_header_count(const struct http_req *r);
void http_req_header_at(const struct http_req *r, size_t i, const char **ret_name,
			const char **ret_value);
/* How many headers have that name ("two Authorization headers" is an attack). */
size_t http_req_header_repeats(const struct http_req *r, const char *name);
/* Value of one cookie; empty slice {NULL,0} when absent or sent twice. */
struct pb_slice http_req_cookie(const struct http_req *r, const char *name);
/* True when Content-Type is @type ("application/json"), parameters ignored; charset other than
 * UTF-8 is false. */
bool http_req_content_is(const struct http_req *r, const char *type);

/*
 * The whole body, read on the first call and then kept.
 * Owner:  borrowed until the handler returns.
 * Errors: PB_E_TOO_LARGE http.body_too_large (over the route's limit; decided on Content-Length
 * before reading), PB_E_INVALID http.body_incomplete / http.body_framing, PB_E_TIMEOUT
 * http.body_timeout (answered 408). After an error the connection is closed with the answer.
 */
enum pb_status http_req_body(struct http_req *r, struct pb_slice *ret,
			     struct pb_err *err) pb_must_check;
/* The same with a limit lower than the route's. */
enum pb_status http_req_body_max(struct http_req *r, size_t max_bytes, struct pb_slice *ret,
				 struct pb_err *err) pb_must_check;
/* In pieces, for uploads: *ret_n 0 at the end. Not to be mixed with http_req_body. */
enum pb_status http_req_body_read(struct http_req *r, void *buf, size_t cap, size_t *ret_n,
				  struct pb_err *err) pb_must_check;

const char *http_req_remote_ip(
	const struct http_req *r); /* of the socket, or of X-Forwarded-For from a trusted proxy */
bool http_req_is_https(const struct http_req *r); /* X-Forwarded-Proto of a trusted proxy */
const char *
http_req_host(const struct http_req *r); /* Host header: checked for shape, not to be believed */
const char *http_req_id(const struct http_req *r);   /* X-Request-Id */
int64_t http_req_start_us(const struct http_req *r); /* pb_mono_us */
struct pb_arena *http_req_arena(struct http_req *r); /* cfg.arena_bytes limit */

/* One pointer for the upper layer (the actor). @free_fn may be NULL, else runs after the answer is
 * sent. */
void http_req_attach(struct http_req *r, void *p, void (*free_fn)(void *));
void *http_req_attached(const struct http_req *r);
/* Fields of meta.actor; copied. NULL is null. Call it before replying. */
void http_req_set_actor(struct http_req *r, const char *user_id, const char *client_id,
			const char *role);
/* The server wants to stop: a waiting handler should answer soon. */
bool http_req_draining(const struct http_req *r);

#endif
