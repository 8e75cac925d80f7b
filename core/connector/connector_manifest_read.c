/* SPDX-License-Identifier: Apache-2.0 */
/* See connector_manifest_read.h. */
#include "connector/connector_manifest_read.h"

#include <stdarg.h>
#include "schema/schema.h"
#include "base/base.h"

void connector_read_fault(struct connector_read *r, const char *code, const char *at,
			  const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r->n_faults++ == 0)
		(void)pb_str_printf(r->first, sizeof(r->first), "%s %s", at, text);
	if (r->faults)
		pb_problems_add(r->faults, code, at, "%s", text);
}

void connector_read_keys(struct connector_read *r, const struct pb_json *j, const char *at,
			 const char *const *keys)
{
	pb_json_each_member (m, j) {
		bool known = false;

		for (size_t i = 0; keys[i] && !known; i++)
			known = strcmp(keys[i], m->key) == 0;
		if (!known && r->warnings && !pb_str_starts(m->key, "x-"))
			pb_problems_add(r->warnings, "manifest.unknown_key",
					pb_pointer_key(r->arena, at, m->key, m->key_len),
					"this host does not know it and reads over it");
	}
}

const char *connector_read_str(struct connector_read *r, const struct pb_json *j, const char *at,
			       const char *key, bool required, size_t max, bool (*ok)(const char *))
{
	const struct pb_json *v = pb_json_get(j, key);
	const char *here = pb_pointer_key(r->arena, at, key, strlen(key));
	const char *s = pb_json_str(v);

	if (!v) {
		if (required)
			connector_read_fault(r, "manifest.missing", here, "is missing");
		return NULL;
	}
	if (!s) {
		connector_read_fault(r, "manifest.type", here, "must be text");
		return NULL;
	}
	if (strlen(s) > max || (ok && !ok(s)) || (!ok && !*s)) {
		connector_read_fault(r, "manifest.value", here, "is empty, too long or malformed");
		return NULL;
	}
	return s;
}

const char *connector_read_choice(struct connector_read *r, const struct pb_json *j, const char *at,
				  const char *key, const char *const *choices)
{
	const char *s = connector_read_str(r, j, at, key, true, 64, NULL);

	for (size_t i = 0; s && choices[i]; i++)
		if (strcmp(s, choices[i]) == 0)
			return s;
	if (s)
		connector_read_fault(r, "manifest.value",
				     pb_pointer_key(r->arena, at, key, strlen(key)),
				     "\"%.40s\" is not one of the choices", s);
	return NULL;
}

const char *const *connector_read_list(struct connector_read *r, const struct pb_json *j,
				       const char *at, const char *key, size_t max,
				       bool (*ok)(const char *), size_t *ret_n)
{
	const struct pb_json *v = pb_json_get(j, key);
	const char *here = pb_pointer_key(r->arena, at, key, strlen(key));
	const char **out;

	*ret_n = 0;
	if (v && (!pb_json_is(v, PB_JSON_ARRAY) || v->len > max)) {
		connector_read_fault(r, "manifest.type", here, "must be a list of at most %zu",
				     max);
		v = NULL;
	}
	out = connector_read_alloc(r, v ? v->len : 0, sizeof(*out));
	pb_json_each_item (it, v) {
		const char *s = pb_json_str(it);

		if (s && (ok ? ok(s) : *s != 0))
			out[(*ret_n)++] = s;
		else
			connector_read_fault(
				r, "manifest.value",
				pb_pointer_index(r->arena, here, (size_t)(it - v->items)),
				"is not a valid entry");
	}
	return out;
}

const struct schema *connector_read_schema(struct connector_read *r, const struct pb_json *j,
					   const char *at, bool object)
{
	struct pb_problems found;
	struct pb_err err = PB_ERR_INIT;
	struct schema *s = NULL;
	const char *type = pb_json_str(pb_json_get(j, "type"));

	if (object && j->len && !pb_str_eq(type, "object"))
		connector_read_fault(r, "manifest.schema", at, "its type must be \"object\"");
	pb_problems_init(&found, r->arena, 20);
	if (schema_compile(j, &s, &found, &err) == PB_OK)
		return s;
	if (!found.first)
		connector_read_fault(r, "manifest.schema", at, "%s", err.msg);
	for (const struct pb_problem *p = found.first; p; p = p->next) {
		const char *here = pb_arena_printf(r->arena, "%s%s", at, p->pointer);

		connector_read_fault(r, "manifest.schema", here ? here : at, "%s", p->message);
	}
	return NULL;
}

void *connector_read_alloc(struct connector_read *r, size_t n, size_t size)
{
	void *p = pb_arena_calloc(r->arena, n + 1, size);

	PB_ASSERT(p); /* the reader's limits bound everything that is made of a manifest */
	return p;
}
