/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging, checking and splitting the values of a connection. The manifest decides what is secret, never the client;
 * a field whose schema hides a secret anywhere inside is secret as a whole.
 */
#include "api/api_connection_values.h"

#include "schema/schema.h"

#include "base/base.h"

#define PROBLEMS_MAX 50

static struct pb_json_member *find(struct api_connection_values *v, const char *key, size_t n)
{
	for (size_t i = 0; i < v->n; i++)
		if (pb_slice_eq(pb_slice(v->m[i].key, v->m[i].key_len), pb_slice(key, n)))
			return &v->m[i];
	return NULL;
}

static void put(struct api_connection_values *v, const struct pb_json_member *m)
{
	struct pb_json_member *at = find(v, m->key, m->key_len);

	if (pb_json_is(&m->value, PB_JSON_NULL)) {
		if (at)
			*at = v->m[--v->n];
		return;
	}
	if (!at && v->n == PB_ARRAY_LEN(v->m)) {
		v->too_many = true;
		return;
	}
	if (!at)
		at = &v->m[v->n++];
	*at = *m;
}

void api_connection_values_merge(struct api_connection_values *v, const struct pb_json *from)
{
	pb_json_each_member (m, from)
		put(v, m);
}

/* Manifests are read with PB_JSON_DEPTH, so this ends. */
static bool holds_secret(const struct pb_json *schema)
{
	if (pb_json_true(pb_json_get(schema, "x-secret")))
		return true;
	pb_json_each_item (it, schema)
		if (holds_secret(it))
			return true;
	pb_json_each_member (m, schema)
		if (holds_secret(&m->value))
			return true;
	return false;
}

static const struct pb_json *property(const struct connector_credential *cred, const char *key,
				      size_t n)
{
	return pb_json_getn(pb_json_get(cred->fields_json, "properties"), key, n);
}

bool api_connection_value_is_secret(const struct connector_credential *cred, const char *key,
				    size_t n)
{
	const struct pb_json *schema = property(cred, key, n);

	/* what the manifest does not know (any more) is treated as the worse of the two */
	return !schema || holds_secret(schema);
}

bool api_connection_values_touch_secrets(const struct connector_credential *cred,
					 const struct pb_json *change)
{
	pb_json_each_member (m, change)
		if (api_connection_value_is_secret(cred, m->key, m->key_len))
			return true;
	return false;
}

/* ---- checking ---- */

struct check_job {
	const struct schema *schema;
	const struct pb_json *values;
	struct pb_problems *problems;
	bool ok;
};

static void run_check(void *arg)
{
	struct check_job *job = arg;

	job->ok = schema_validate(job->schema, job->values, job->problems,
				  "connection.value_invalid", "/values");
}

static bool only_known(struct http_req *req, const struct connector_credential *cred,
		       const struct api_connection_values *v)
{
	for (size_t i = 0; i < v->n; i++) {
		if (property(cred, v->m[i].key, v->m[i].key_len))
			continue;
		api_reject(req, PB_E_INVALID, "request.field_unknown",
			   pb_pointer_key(http_req_arena(req), "/values", v->m[i].key,
					  v->m[i].key_len),
			   "the credential \"%.64s\" has no such field", cred->id);
		return false;
	}
	return true;
}

bool api_connection_values_check(struct api *api, struct http_req *req,
				 const struct connector_credential *cred,
				 const struct api_connection_values *v)
{
	struct pb_arena *arena = http_req_arena(req);
	struct pb_problems problems;
	struct pb_err err = PB_ERR_INIT;
	struct check_job job = {.schema = cred->fields, .problems = &problems};

	if (v->too_many) {
		api_reject(req, PB_E_UNPROCESSABLE, "connection.too_many_values", "/values",
			   "a connection has at most %d values", API_CONNECTION_VALUES_MAX);
		return false;
	}
	if (!only_known(req, cred, v))
		return false;
	if (!cred->fields)
		return true;
	pb_problems_init(&problems, arena, PROBLEMS_MAX);
	job.values = pb_json_new_object(arena, v->m, v->n);
	if (!job.values) {
		http_reply_fail(req, PB_E_TOO_LARGE, "connection.too_large",
				"the values are too large");
		return false;
	}
	if (api_offload_run(api->offload, run_check, &job, &err) != PB_OK) {
		api_fail(req, &err);
		return false;
	}
	if (!job.ok)
		http_reply_problems(req, 422, "the values do not fit the credential: see errors",
				    &problems);
	return job.ok;
}

bool api_connection_values_write(const struct api_connection_values *v,
				 const struct connector_credential *cred, bool secret,
				 struct pb_buf *out)
{
	struct pb_jw w;

	pb_jw_init(&w, out);
	pb_jw_object(&w);
	for (size_t i = 0; i < v->n; i++) {
		const struct pb_json_member *m = &v->m[i];

		if (api_connection_value_is_secret(cred, m->key, m->key_len) != secret)
			continue;
		pb_jw_key(&w, m->key);
		pb_jw_tree(&w, &m->value);
	}
	pb_jw_end(&w);
	return !out->overflow;
}
