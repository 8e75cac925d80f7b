/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies, query parameters and path parameters of the REST API, read strictly: what a route does not know it
 * refuses, so that a misspelt field is an error and never silently the default.
 */
#include "api/api_body.h"

#include <stdarg.h>

#include "base/parse.h"

#include "base/base.h"

#define NAMES_TEXT_BYTES 160

void api_reject(struct http_req *req, enum pb_status status, const char *code, const char *pointer,
		const char *fmt, ...)
{
	struct pb_err err = {.status = status, .code = code};
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(err.msg, sizeof(err.msg), fmt, ap) < 0)
		err.msg[0] = 0;
	va_end(ap);
	err.msg[pb_utf8_cut(err.msg, strlen(err.msg), sizeof(err.msg) - 1)] = 0;
	http_reply_error_at(req, &err, pointer, NULL);
}

/* ---- the whole body ---- */

static bool read_body(struct http_req *req, bool may_be_empty, const struct pb_json **ret)
{
	static const struct pb_json empty = {.type = PB_JSON_OBJECT};
	struct pb_err err = PB_ERR_INIT;
	const struct pb_json *body;
	struct pb_slice text;

	if (http_req_body(req, &text, &err) != PB_OK) {
		http_reply_error(req, &err);
		return false;
	}
	if (text.len == 0 && may_be_empty) {
		*ret = &empty;
		return true;
	}
	if (!http_req_content_is(req, "application/json")) {
		http_reply_fail(req, PB_E_UNSUPPORTED, "http.content_type",
				"the body must be application/json in UTF-8");
		return false;
	}
	if (pb_json_parse(http_req_arena(req), text.p, text.len, NULL, &body, &err) != PB_OK) {
		http_reply_error_at(req, &err, "", NULL);
		return false;
	}
	if (!pb_json_is(body, PB_JSON_OBJECT)) {
		api_reject(req, PB_E_INVALID, "request.not_an_object", "",
			   "the body must be a JSON object, not %s", pb_json_type_name(body));
		return false;
	}
	*ret = body;
	return true;
}

bool api_body_object(struct http_req *req, const struct pb_json **ret)
{
	return read_body(req, false, ret);
}

bool api_body_object_or_empty(struct http_req *req, const struct pb_json **ret)
{
	return read_body(req, true, ret);
}

static bool is_among(const char *const *names, const char *name, size_t n)
{
	for (; *names; names++)
		if (pb_slice_eq_str(pb_slice(name, n), *names))
			return true;
	return false;
}

static void join(const char *const *names, char out[NAMES_TEXT_BYTES])
{
	size_t at = 0;

	out[0] = 0;
	for (; *names; names++) {
		int n = snprintf(out + at, NAMES_TEXT_BYTES - at, "%s%s", at ? ", " : "", *names);

		if (n < 0 || (size_t)n >= NAMES_TEXT_BYTES - at)
			return;
		at += (size_t)n;
	}
}

bool api_only_fields(struct http_req *req, const struct pb_json *body, const char *const *names)
{
	char known[NAMES_TEXT_BYTES];

	pb_json_each_member (m, body) {
		if (is_among(names, m->key, m->key_len))
			continue;
		join(names, known);
		api_reject(req, PB_E_INVALID, "request.field_unknown",
			   pb_pointer_key(http_req_arena(req), "", m->key, m->key_len),
			   "there is no such field here%s%s", *known ? "; known are: " : "", known);
		return false;
	}
	return true;
}

/* ---- members ---- */

static bool bad_member(struct http_req *req, const char *name, const char *code, const char *what)
{
	api_reject(req, PB_E_INVALID, code,
		   pb_pointer_key(http_req_arena(req), "", name, strlen(name)), "\"%s\" %s", name,
		   what);
	return false;
}

/* NULL when it is absent or null; *ret_ok false (and answered) when it is required. */
static const struct pb_json *member(struct http_req *req, const struct pb_json *body,
				    const char *name, bool required, bool *ret_ok)
{
	const struct pb_json *j = pb_json_get(body, name);
	bool absent = !j || pb_json_is(j, PB_JSON_NULL);

	*ret_ok = !absent || !required;
	if (!*ret_ok)
		(void)bad_member(req, name, "request.field_missing", "is required");
	return absent ? NULL : j;
}

bool api_field_text(struct http_req *req, const struct pb_json *body, const char *name,
		    bool required, size_t max, const char **ret)
{
	bool ok;
	const struct pb_json *j = member(req, body, name, required, &ok);
	const char *s = pb_json_str(j);

	if (!j) {
		*ret = NULL;
		return ok;
	}
	if (!s)
		return bad_member(req, name, "request.field_type", "must be text");
	if (!*s)
		return bad_member(req, name, "request.field_value", "must not be empty");
	if (strlen(s) > max)
		return bad_member(req, name, "request.field_value", "is too long");
	*ret = s;
	return true;
}

bool api_field_bool(struct http_req *req, const struct pb_json *body, const char *name, bool dflt,
		    bool *ret)
{
	bool ok;
	const struct pb_json *j = member(req, body, name, false, &ok);

	if (j && !pb_json_is(j, PB_JSON_BOOL))
		return bad_member(req, name, "request.field_type", "must be true or false");
	*ret = j ? j->b : dflt;
	return true;
}

bool api_field_object(struct http_req *req, const struct pb_json *body, const char *name,
		      bool required, const struct pb_json **ret)
{
	bool ok;
	const struct pb_json *j = member(req, body, name, required, &ok);

	if (j && !pb_json_is(j, PB_JSON_OBJECT))
		return bad_member(req, name, "request.field_type", "must be an object");
	if (ok)
		*ret = j;
	return ok;
}

bool api_field_time(struct http_req *req, const struct pb_json *body, const char *name,
		    int64_t *ret_us)
{
	int64_t us = 0;
	bool ok;
	const struct pb_json *j = member(req, body, name, false, &ok);
	struct pb_slice s = pb_json_slice(j);

	if (j && !s.p)
		return bad_member(req, name, "request.field_type", "must be text");
	if (j && !pb_parse_rfc3339(s.p, s.len, &us))
		return bad_member(req, name, "request.field_value",
				  "must be a time like 2026-01-31T12:00:00Z");
	*ret_us = us;
	return true;
}

/* ---- query and path ---- */

static bool bad_query(struct http_req *req, const char *name, const char *what)
{
	struct pb_err err = PB_ERR_INIT;

	(void)pb_err_set(&err, PB_E_INVALID, "http.query_invalid", "the parameter \"%s\" %s", name,
			 what);
	http_reply_error(req, &err);
	return false;
}

bool api_query_bool(struct http_req *req, const char *name, int *ret)
{
	const char *s = http_req_query(req, name);

	if (s && !pb_str_eq(s, "true") && !pb_str_eq(s, "false"))
		return bad_query(req, name, "must be true or false");
	*ret = s ? pb_str_eq(s, "true") : -1;
	return true;
}

bool api_query_uuid(struct http_req *req, const char *name, struct pb_uuid *ret)
{
	const char *s = http_req_query(req, name);
	struct pb_uuid id = PB_UUID_NIL;

	if (s && !pb_uuid_parse(s, strlen(s), &id))
		return bad_query(req, name, "must be a UUID");
	*ret = id;
	return true;
}

bool api_query_time(struct http_req *req, const char *name, int64_t *ret_us)
{
	const char *s = http_req_query(req, name);
	int64_t us = 0;

	if (s && !pb_parse_rfc3339(s, strlen(s), &us))
		return bad_query(req, name, "must be a time like 2026-01-31T12:00:00Z");
	*ret_us = us;
	return true;
}

bool api_only_query(struct http_req *req, const char *const *names)
{
	for (size_t i = 0; i < http_req_query_count(req); i++) {
		const struct http_param *p = http_req_query_at(req, i);
		struct pb_err err = PB_ERR_INIT;

		if (is_among(names, p->name.p, p->name.len))
			continue;
		(void)pb_err_set(&err, PB_E_INVALID, "http.query_unknown",
				 "there is no parameter \"%.*s\" here",
				 (int)pb_utf8_cut(p->name.p, p->name.len, 64), p->name.p);
		http_reply_error(req, &err);
		return false;
	}
	return true;
}

bool api_param_uuid(struct http_req *req, const char *name, const char *code, struct pb_uuid *ret)
{
	struct pb_slice s = http_req_param(req, name);

	if (pb_uuid_parse(s.p, s.len, ret))
		return true;
	http_reply_fail(req, PB_E_NOT_FOUND, code, "there is nothing with this id");
	return false;
}

/* ---- answers ---- */

void api_put_str(struct pb_jw *w, const char *key, const char *value)
{
	pb_jw_key(w, key);
	pb_jw_str(w, value);
}

void api_put_int(struct pb_jw *w, const char *key, int64_t value)
{
	pb_jw_key(w, key);
	pb_jw_int(w, value);
}

void api_put_bool(struct pb_jw *w, const char *key, bool value)
{
	pb_jw_key(w, key);
	pb_jw_bool(w, value);
}

void api_put_uuid(struct pb_jw *w, const char *key, struct pb_uuid value)
{
	pb_jw_key(w, key);
	if (pb_uuid_is_nil(value))
		pb_jw_null(w);
	else
		pb_jw_uuid(w, value);
}

void api_put_time(struct pb_jw *w, const char *key, int64_t us)
{
	pb_jw_key(w, key);
	pb_jw_time(w, us);
}

void api_put_raw(struct pb_jw *w, const char *key, struct pb_slice json)
{
	pb_jw_key(w, key);
	pb_jw_raw(w, json.p, json.len);
}
