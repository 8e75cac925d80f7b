/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses: one table for name, HTTP status and retry rule. */
#include "base/err.h"

#include <stdarg.h>

#include "base/base.h"

static const struct {
	const char *name;
	int http;
	bool transient;
} status_table[PB_STATUS_COUNT] = {
	[PB_OK] = {"ok", 200, false},
	[PB_E_INVALID] = {"invalid", 400, false},
	[PB_E_UNAUTHENTICATED] = {"unauthenticated", 401, false},
	[PB_E_FORBIDDEN] = {"forbidden", 403, false},
	[PB_E_NOT_FOUND] = {"not_found", 404, false},
	[PB_E_METHOD] = {"method", 405, false},
	[PB_E_CONFLICT] = {"conflict", 409, false},
	[PB_E_PRECONDITION] = {"precondition", 412, false},
	[PB_E_TOO_LARGE] = {"too_large", 413, false},
	[PB_E_UNSUPPORTED] = {"unsupported", 415, false},
	[PB_E_UNPROCESSABLE] = {"unprocessable", 422, false},
	[PB_E_LIMIT] = {"limit", 429, true},
	[PB_E_INTERNAL] = {"internal", 500, false},
	[PB_E_NOT_IMPLEMENTED] = {"not_implemented", 501, false},
	[PB_E_UNAVAILABLE] = {"unavailable", 503, true},
	[PB_E_TIMEOUT] = {"timeout", 504, true},
	[PB_E_CANCELLED] = {"cancelled", 409, false},
};

static bool known(enum pb_status status)
{
	return (unsigned)status < PB_STATUS_COUNT;
}

/* Cuts at a character, never inside one, and always terminates. */
static void set_msg(struct pb_err *err, const char *text, size_t n)
{
	size_t keep = pb_utf8_cut(text, n, PB_ERR_MSG_BYTES - 1);

	memcpy(err->msg, text, keep);
	err->msg[keep] = 0;
}

enum pb_status pb_err_set(struct pb_err *err, enum pb_status status, const char *code,
			  const char *fmt, ...)
{
	char text[PB_ERR_MSG_BYTES + 4]; /* room to see whether the last character is whole */
	va_list ap;

	if (!err)
		return status;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = 0;
	va_end(ap);
	err->status = status;
	err->code = code;
	set_msg(err, text, strlen(text));
	return status;
}

enum pb_status pb_err_prefix(struct pb_err *err, const char *fmt, ...)
{
	char text[2 * PB_ERR_MSG_BYTES + 4];
	va_list ap;
	size_t n;

	if (!err)
		return PB_E_INTERNAL;
	va_start(ap, fmt);
	if (vsnprintf(text, PB_ERR_MSG_BYTES, fmt, ap) < 0)
		text[0] = 0;
	va_end(ap);
	n = strlen(text);
	(void)pb_str_printf(text + n, sizeof(text) - n, ": %s", err->msg); /* cut below anyway */
	set_msg(err, text, strlen(text));
	return err->status;
}

int pb_status_http(enum pb_status status)
{
	return known(status) ? status_table[status].http : 500;
}

const char *pb_status_name(enum pb_status status)
{
	return known(status) ? status_table[status].name : "unknown";
}

bool pb_status_is_transient(enum pb_status status)
{
	return known(status) && status_table[status].transient;
}
