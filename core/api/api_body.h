/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading members of a request's body. Every function that returns false has answered already, with the JSON
 * Pointer of the member: 400 request.field_missing, request.field_type, request.field_value.
 */
#ifndef PB_API_BODY_H
#define PB_API_BODY_H

#include "api/api_internal.h"

/* One errors[] item with "field" = @pointer ("/name"); status 400 for PB_E_INVALID, 422 for PB_E_UNPROCESSABLE. */
void api_reject(struct http_req *req, enum pb_status status, const char *code, const char *pointer,
		const char *fmt, ...) pb_printf(5, 6);

/* Text of 1..@max bytes without NULs; NULL when absent (or null) and not required. */
bool api_field_text(struct http_req *req, const struct pb_json *body, const char *name,
		    bool required, size_t max, const char **ret);
bool api_field_bool(struct http_req *req, const struct pb_json *body, const char *name, bool dflt,
		    bool *ret);
/* An object; NULL when absent and not required. */
bool api_field_object(struct http_req *req, const struct pb_json *body, const char *name,
		      bool required, const struct pb_json **ret);
/* RFC 3339 text -> microseconds; 0 when absent or null. */
bool api_field_time(struct http_req *req, const struct pb_json *body, const char *name,
		    int64_t *ret_us);

/* ?name=true|false: 1, 0, or -1 when absent. 400 http.query_invalid. */
bool api_query_bool(struct http_req *req, const char *name, int *ret);
/* ?name=UUID; nil when absent. */
bool api_query_uuid(struct http_req *req, const char *name, struct pb_uuid *ret);
/* ?name=RFC 3339; 0 when absent. */
bool api_query_time(struct http_req *req, const char *name, int64_t *ret_us);
/* Refuses parameters that are not in the NULL-ended list, so that a typing error never means "everything". */
bool api_only_query(struct http_req *req, const char *const *names);

/* {id} and such of the path; 404 with @code when it is not a UUID: the answer of an id that is not there. */
bool api_param_uuid(struct http_req *req, const char *name, const char *code, struct pb_uuid *ret);

/* "key": value, for answers. */
void api_put_str(struct pb_jw *w, const char *key, const char *value);
void api_put_int(struct pb_jw *w, const char *key, int64_t value);
void api_put_bool(struct pb_jw *w, const char *key, bool value);
void api_put_uuid(struct pb_jw *w, const char *key, struct pb_uuid value); /* nil writes null */
void api_put_time(struct pb_jw *w, const char *key, int64_t us);           /* 0 writes null */
void api_put_raw(struct pb_jw *w, const char *key,
		 struct pb_slice json); /* p == NULL writes null */

#endif
