/* SPDX-License-Identifier: Apache-2.0 */
/* Reading single fields of a definition, each fault with its code and place. */
#include "model/workflow_reader.h"

#include "base/clock.h"
#include "base/parse.h"
#include "base/base.h"

void *model_reader_alloc(struct model_reader *r, size_t n, size_t size)
{
	void *p = pb_arena_calloc(r->arena, n, size);

	if (!p)
		r->failed = true;
	return p;
}

const char *model_field_at(const struct model_object *o, const char *key)
{
	return pb_pointer_key(o->r->arena, o->at, key, strlen(key));
}

void model_fields_known(const struct model_object *o, const char *const *known)
{
	pb_json_each_member (m, o->j) {
		size_t i = 0;

		while (known[i] && !pb_slice_eq_str(pb_slice(m->key, m->key_len), known[i]))
			i++;
		if (!known[i])
			model_fault(o->r, "field_unknown",
				    pb_pointer_key(o->r->arena, o->at, m->key, m->key_len),
				    "unknown field");
	}
}

const struct pb_json *model_field(const struct model_object *o, const char *key, bool required)
{
	const struct pb_json *v = pb_json_get(o->j, key);

	if (!v && required)
		model_fault(o->r, "field_missing", model_field_at(o, key), "is required");
	return v;
}

static void wrong_type(const struct model_object *o, const char *key, const char *want,
		       const struct pb_json *v)
{
	model_fault(o->r, "field_type", model_field_at(o, key), "must be %s, not %s", want,
		    pb_json_type_name(v));
}

static bool text_ok(struct pb_slice s, size_t max_chars)
{
	size_t chars = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			return false;
		chars += (c & 0xc0) != 0x80;
	}
	return chars >= 1 && chars <= max_chars;
}

bool model_field_text(const struct model_object *o, const char *key, bool required,
		      size_t max_chars, const char **ret)
{
	const struct pb_json *v = model_field(o, key, required);

	if (!v)
		return false;
	if (!pb_json_is(v, PB_JSON_STRING)) {
		wrong_type(o, key, "a string", v);
		return false;
	}
	if (!text_ok(pb_json_slice(v), max_chars)) {
		model_fault(o->r, "field_value", model_field_at(o, key),
			    "must have 1 to %zu characters and no control characters", max_chars);
		return false;
	}
	*ret = v->s;
	return true;
}

bool model_field_bool(const struct model_object *o, const char *key, bool *ret)
{
	const struct pb_json *v = model_field(o, key, false);

	if (!v)
		return false;
	if (!pb_json_is(v, PB_JSON_BOOL)) {
		wrong_type(o, key, "true or false", v);
		return false;
	}
	*ret = v->b;
	return true;
}

bool model_field_uint(const struct model_object *o, const char *key, uint32_t min, uint32_t max,
		      uint32_t *ret)
{
	const struct pb_json *v = model_field(o, key, false);
	int64_t i;

	if (!v)
		return false;
	if (!pb_json_is_integer(v)) {
		wrong_type(o, key, "an integer", v);
		return false;
	}
	if (!pb_json_i64(v, &i) || i < min || i > max) {
		model_fault(o->r, "field_value", model_field_at(o, key), "must be from %u to %u",
			    min, max);
		return false;
	}
	*ret = (uint32_t)i;
	return true;
}

/* In the largest unit that says it exactly. */
static const char *duration_text(int64_t us, char out[32])
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = {{"d", 24 * 60 * PB_USEC_PER_MIN},
		     {"h", 60 * PB_USEC_PER_MIN},
		     {"m", PB_USEC_PER_MIN},
		     {"s", PB_USEC_PER_SEC},
		     {"ms", PB_USEC_PER_MSEC}};
	size_t i = 0;

	while (i < PB_ARRAY_LEN(units) - 1 && us % units[i].us != 0)
		i++;
	(void)pb_str_printf(out, 32, "%lld%s", (long long)(us / units[i].us), units[i].unit);
	return out;
}

bool model_field_duration(const struct model_object *o, const char *key, int64_t min_us,
			  int64_t max_us, int64_t *ret)
{
	const struct pb_json *v = model_field(o, key, false);
	struct pb_slice s = pb_json_slice(v);
	char min[32], max[32];
	int64_t us;

	if (!v)
		return false;
	if (!pb_json_is(v, PB_JSON_STRING)) {
		wrong_type(o, key, "a duration such as \"30s\"", v);
		return false;
	}
	if (!pb_parse_duration(s.p, s.len, &us)) {
		model_fault(o->r, "duration_invalid", model_field_at(o, key),
			    "must be a number and a unit: \"250ms\", \"30s\", \"5m\", \"2h\" or "
			    "\"7d\"");
		return false;
	}
	if (us < min_us || us > max_us) {
		model_fault(o->r, "duration_invalid", model_field_at(o, key),
			    "must be from %s to %s", duration_text(min_us, min),
			    duration_text(max_us, max));
		return false;
	}
	*ret = us;
	return true;
}

bool model_field_choice(const struct model_object *o, const char *key, const char *const *names,
			unsigned *ret)
{
	const struct pb_json *v = model_field(o, key, false);
	char all[160] = "";

	if (!v)
		return false;
	if (!pb_json_is(v, PB_JSON_STRING)) {
		wrong_type(o, key, "a string", v);
		return false;
	}
	for (unsigned i = 0; names[i]; i++) {
		size_t n = strlen(all);

		if (pb_slice_eq_str(pb_json_slice(v), names[i])) {
			*ret = i;
			return true;
		}
		(void)pb_str_printf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", names[i]);
	}
	model_fault(o->r, "field_value", model_field_at(o, key), "must be one of %s", all);
	return false;
}
