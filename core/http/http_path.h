/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request target may look like, and the only way from its bytes to a path and parameters.
 * Strict: one spelling for one resource, everything ambiguous is refused rather than cleaned up,
 * because the answer of "who may do this" must be about exactly the path that is served. Pure
 * functions, fuzzed.
 */
#ifndef PB_HTTP_HTTP_PATH_H
#define PB_HTTP_HTTP_PATH_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define HTTP_TARGET_BYTES  8192
#define HTTP_QUERY_PARAMS  128
#define HTTP_PATH_SEGMENTS 64

struct http_param {
	struct pb_slice name, value; /* decoded, NUL-terminated behind len */
};

struct http_target {
	struct pb_slice path;  /* decoded once, begins with '/', NUL-terminated */
	struct pb_slice query; /* as sent, without '?' */
	const struct http_param *params;
	size_t n_params;
	bool repeats; /* a name stands in the query more than once */
};

/*
 * Reads an origin-form target ("/a/b?x=1") as it stood on the wire.
 * Owner:  everything in *ret lives in @arena.
 * Errors: PB_E_INVALID http.path_invalid: absolute form, '*', control bytes, '\', "//", "." and
 * ".." segments (also encoded), %2f, %5c, %00, bad or double escapes of '%' + dot, slash or
 * backslash, bad UTF-8, over HTTP_PATH_SEGMENTS; http.query_invalid: bad escapes, %00, bad UTF-8,
 * too many parameters. PB_E_TOO_LARGE http.uri_too_long (HTTP status 414).
 * Threads: [any-thread]
 */
enum pb_status http_target_parse(struct pb_arena *arena, const char *raw, size_t n,
				 struct http_target *ret, struct pb_err *err) pb_must_check;

/* x-www-form-urlencoded bytes (a body): the rules of the query, '+' is a blank; repeats allowed
 * when
 * @allow_repeats. PB_E_INVALID http.form_invalid. */
enum pb_status http_form_parse(struct pb_arena *arena, const char *raw, size_t n,
			       bool allow_repeats, const struct http_param **ret, size_t *ret_n,
			       struct pb_err *err) pb_must_check;

#endif
