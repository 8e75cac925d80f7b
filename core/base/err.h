/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How everything in Patchbay fails: a status that decides the HTTP answer and the retry rule, and
 * an optional pb_err with a stable code and a message that is safe to show a client.
 */
#ifndef PB_BASE_ERR_H
#define PB_BASE_ERR_H

#include "base/macro.h"

enum pb_status {
	PB_OK = 0,
	PB_E_INVALID,         /* 400: malformed input */
	PB_E_UNAUTHENTICATED, /* 401 */
	PB_E_FORBIDDEN,       /* 403 */
	PB_E_NOT_FOUND,       /* 404 */
	PB_E_METHOD,          /* 405 */
	PB_E_CONFLICT,        /* 409 */
	PB_E_PRECONDITION,    /* 412 */
	PB_E_TOO_LARGE,       /* 413 */
	PB_E_UNSUPPORTED,     /* 415 */
	PB_E_UNPROCESSABLE,   /* 422: well formed, but wrong */
	PB_E_LIMIT,           /* 429: retry later */
	PB_E_INTERNAL,        /* 500: a bug or a broken invariant */
	PB_E_NOT_IMPLEMENTED, /* 501 */
	PB_E_UNAVAILABLE,     /* 503: a dependency is away, retry */
	PB_E_TIMEOUT,         /* 504: outcome may be unknown */
	PB_E_CANCELLED,       /* 409: somebody asked for the end */
	PB_STATUS_COUNT,
};

#define PB_ERR_MSG_BYTES 256

/*
 * Filled where the cause is known; untouched on success, so calls can be chained.
 * @code is a string literal "area.reason"; @msg never holds secrets, SQL or paths.
 */
struct pb_err {
	enum pb_status status;
	const char *code;
	char msg[PB_ERR_MSG_BYTES];
};

#define PB_ERR_INIT                                                                                \
	{                                                                                          \
		PB_OK, NULL,                                                                       \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

/*
 * Fills @err (which may be NULL) and returns @status, so that `return pb_err_set(...)` reads well.
 * Owner:   @code must live for ever (a literal). The message is copied and cut at the buffer's end.
 * Threads: [any-thread]
 */
enum pb_status pb_err_set(struct pb_err *err, enum pb_status status, const char *code,
			  const char *fmt, ...) pb_printf(4, 5);

/* Puts "context: " in front of the message. Keeps status and code. Returns err's status, or
 * PB_E_INTERNAL when
 * @err is NULL. [any-thread] */
enum pb_status pb_err_prefix(struct pb_err *err, const char *fmt, ...) pb_printf(2, 3);

/* The HTTP status (200..599) for @status. [any-thread] */
int pb_status_http(enum pb_status status);

/* "invalid", "not_found", ... for logs and metrics. Never NULL. [any-thread] */
const char *pb_status_name(enum pb_status status);

/* True when the same call may succeed later without a change: unavailable, timeout, limit. */
bool pb_status_is_transient(enum pb_status status);

#endif
