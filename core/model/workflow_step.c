/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a definition. Which fields a step may have depends on its type; none is silently ignored. */
#include "model/workflow_reader.h"

#include "base/clock.h"
#include "base/base.h"

#define ACTION_CHARS     200
#define CONNECTION_CHARS 200
#define VERSION_CHARS    64
#define STEP_NAME_CHARS  200

static const char *const type_names[] = {"action", "set", "if", NULL};

const char *model_step_type_name(enum model_step_type t)
{
	return (unsigned)t < PB_ARRAY_LEN(type_names) - 1 ? type_names[t] : "unknown";
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_name_char(char c)
{
	return is_lower(c) || (c >= '0' && c <= '9') || c == '_';
}

static bool id_ok(struct pb_slice s)
{
	if (s.len == 0 || s.len > MODEL_STEP_ID_BYTES || !is_lower(s.p[0]))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_name_char(s.p[i]))
			return false;
	return true;
}

static void read_id(const struct model_object *o, struct model_step *step, size_t index)
{
	const struct pb_json *v = model_field(o, "id", true);

	if (!v)
		return;
	if (!id_ok(pb_json_slice(v))) {
		model_fault(
			o->r, "step_id_invalid", model_field_at(o, "id"),
			"must be lower case letters, digits and \"_\", at most %d, a letter first",
			MODEL_STEP_ID_BYTES);
		return;
	}
	if (pb_slice_eq_str(pb_json_slice(v), "trigger")) {
		model_fault(o->r, "step_id_invalid", model_field_at(o, "id"),
			    "\"trigger\" is the name of the trigger");
		return;
	}
	for (size_t i = 0; i < index; i++)
		if (pb_str_eq(o->r->wf->steps[i].id, v->s)) {
			model_fault(o->r, "step_id_duplicate", model_field_at(o, "id"),
				    "step %zu has the id \"%s\" already", i, v->s);
			return;
		}
	step->id = v->s;
}

static bool read_type(const struct model_object *o, struct model_step *step)
{
	const struct pb_json *v = model_field(o, "type", true);

	if (!v)
		return false;
	for (unsigned i = 0; type_names[i]; i++)
		if (pb_slice_eq_str(pb_json_slice(v), type_names[i])) {
			step->type = (enum model_step_type)i;
			return true;
		}
	if (!pb_json_is(v, PB_JSON_STRING))
		model_fault(o->r, "field_type", model_field_at(o, "type"),
			    "must be a string, not %s", pb_json_type_name(v));
	else
		model_fault(
			o->r, "step_type_unsupported", model_field_at(o, "type"),
			"steps of type \"%.*s\" are not supported; supported are action, set, if",
			(int)PB_MIN(v->len, 40u), v->s);
	return false;
}

/* "slack.post_message", "com.acme.crm.create": words with dots, the last one the operation. */
static bool action_ok(const char *s, const char **ret_dot)
{
	const char *word = s;

	*ret_dot = NULL;
	for (const char *p = s;; p++) {
		if (*p && *p != '.') {
			if (!is_name_char(*p) && (*p != '-' || p == word))
				return false;
			continue;
		}
		if (p == word || !(is_lower(*word) || word != s))
			return false;
		if (!*p)
			return *ret_dot != NULL;
		*ret_dot = p;
		word = p + 1;
	}
}

static void read_action_name(const struct model_object *o, struct model_step *step)
{
	const char *dot, *text;

	if (!model_field_text(o, "action", true, ACTION_CHARS, &text))
		return;
	if (!action_ok(text, &dot)) {
		model_fault(o->r, "action_invalid", model_field_at(o, "action"),
			    "must be connector.operation, such as \"slack.post_message\"");
		return;
	}
	step->action = text;
	step->connector = pb_arena_memdup(o->r->arena, text, (size_t)(dot - text));
	step->operation = dot + 1;
}

static bool version_ok(const char *s)
{
	for (; *s; s++)
		if (!is_name_char(*s) && !(*s >= 'A' && *s <= 'Z') && !strchr(".+-", *s))
			return false;
	return true;
}

static void read_retry(const struct model_object *step_object, struct model_retry *retry)
{
	static const char *const known[] = {"max_attempts", "initial", "max", "jitter", NULL};
	struct model_object o = {step_object->r, model_field(step_object, "retry", false),
				 model_field_at(step_object, "retry")};

	if (!o.j)
		return;
	if (!pb_json_is(o.j, PB_JSON_OBJECT)) {
		model_fault(o.r, "field_type", o.at, "must be an object, not %s",
			    pb_json_type_name(o.j));
		return;
	}
	model_fields_known(&o, known);
	(void)model_field_uint(&o, "max_attempts", 1, MODEL_RETRY_MAX_ATTEMPTS,
			       &retry->max_attempts);
	(void)model_field_duration(&o, "initial", PB_USEC_PER_MSEC, MODEL_RETRY_MAX_US,
				   &retry->initial_us);
	if (!model_field_duration(&o, "max", PB_USEC_PER_MSEC, MODEL_RETRY_MAX_US, &retry->max_us))
		retry->max_us = PB_MAX(retry->max_us, retry->initial_us);
	(void)model_field_bool(&o, "jitter", &retry->jitter);
	if (retry->max_us < retry->initial_us)
		model_fault(o.r, "field_value", model_field_at(&o, "max"),
			    "must not be less than \"initial\"");
}

/*
 * To the http action a parameter of that name means the same as the word at the step, which counts
 * more. To every other action it is a parameter.
 */
static void read_http_repeatable(const struct model_object *o, struct model_step *step)
{
	struct model_object with = {o->r, step->with, model_field_at(o, "with")};

	if (step->with && pb_str_eq(step->connector, "http"))
		(void)model_field_bool(&with, "repeatable", &step->repeatable);
}

static void read_action(const struct model_object *o, struct model_step *step)
{
	read_action_name(o, step);
	if (model_field_text(o, "connector_version", false, VERSION_CHARS,
			     &step->connector_version) &&
	    !version_ok(step->connector_version))
		model_fault(o->r, "field_value", model_field_at(o, "connector_version"),
			    "must be a version such as \"1.4.0\"");
	(void)model_field_text(o, "connection", false, CONNECTION_CHARS, &step->connection);
	(void)model_field_duration(o, "timeout", PB_USEC_PER_MSEC, MODEL_STEP_TIMEOUT_MAX_US,
				   &step->timeout_us);
	read_retry(o, &step->retry);
	read_http_repeatable(o, step);
	(void)model_field_bool(o, "repeatable", &step->repeatable);
}

/*
 * Text that is no expression would be true for ever: "steps.order.total >= 1000", or "{{ x }} " with
 * a blank. Whether there is one expression between the braces is seen when it is compiled.
 */
static bool is_in_braces(const struct pb_json *v)
{
	return v->len >= 4 && !memcmp(v->s, "{{", 2) && !memcmp(v->s + v->len - 2, "}}", 2);
}

static void read_condition(const struct model_object *o, const struct model_step *step)
{
	static const char *const known[] = {"condition", NULL};
	struct model_object with = {o->r, step->with, model_field_at(o, "with")};
	const struct pb_json *v;

	if (!step->with)
		return;
	model_fields_known(&with, known);
	v = model_field(&with, "condition", true);
	if (v && !pb_json_is(v, PB_JSON_STRING) && !pb_json_is(v, PB_JSON_BOOL))
		model_fault(o->r, "field_type", model_field_at(&with, "condition"),
			    "must be an expression or true or false, not %s", pb_json_type_name(v));
	else if (v && pb_json_is(v, PB_JSON_STRING) && !is_in_braces(v))
		model_fault(o->r, "field_value", model_field_at(&with, "condition"),
			    "must be one expression in {{ }} and nothing else");
}

static void read_with(const struct model_object *o, struct model_step *step)
{
	const struct pb_json *v = model_field(o, "with", step->type != MODEL_STEP_TYPE_ACTION);

	if (!v)
		return;
	if (!pb_json_is(v, PB_JSON_OBJECT))
		model_fault(o->r, "field_type", model_field_at(o, "with"),
			    "must be an object, not %s", pb_json_type_name(v));
	else
		step->with = v;
}

static void read_step(struct model_reader *r, const struct pb_json *j, size_t index)
{
	static const char *const of_action[] = {
		"id",         "name",     "type",   "with",
		"join",       "on_error", "action", "connector_version",
		"connection", "timeout",  "retry",  "repeatable",
		NULL};
	static const char *const of_others[] = {"id",   "name",     "type", "with",
						"join", "on_error", NULL};
	static const char *const joins[] = {"all", "any", NULL};
	static const char *const on_errors[] = {"fail", "continue", NULL};
	struct model_step *step = &r->wf->steps[index];
	struct model_object o = {r, j, pb_pointer_index(r->arena, "/steps", index)};
	unsigned choice;

	*step = (struct model_step){
		.pointer = o.at,
		.timeout_us = MODEL_STEP_TIMEOUT_DEFAULT_US,
		.retry = {MODEL_RETRY_ATTEMPTS_DEFAULT, MODEL_RETRY_INITIAL_DEFAULT_US,
			  MODEL_RETRY_MAX_DEFAULT_US, true},
	};
	if (!pb_json_is(j, PB_JSON_OBJECT)) {
		model_fault(r, "field_type", o.at, "must be an object, not %s",
			    pb_json_type_name(j));
		r->type_unknown[index] = true;
		return;
	}
	read_id(&o, step, index);
	if (!read_type(&o, step)) {
		r->type_unknown[index] = true; /* what else it may have is not known */
		return;
	}
	model_fields_known(&o, step->type == MODEL_STEP_TYPE_ACTION ? of_action : of_others);
	(void)model_field_text(&o, "name", false, STEP_NAME_CHARS, &step->name);
	if (model_field_choice(&o, "join", joins, &choice))
		step->join = (enum model_join)choice;
	if (model_field_choice(&o, "on_error", on_errors, &choice))
		step->on_error = (enum model_on_error)choice;
	read_with(&o, step);
	if (step->type == MODEL_STEP_TYPE_ACTION)
		read_action(&o, step);
	else if (step->type == MODEL_STEP_TYPE_IF)
		read_condition(&o, step);
}

void model_read_steps(struct model_reader *r, const struct pb_json *j)
{
	if (!pb_json_is(j, PB_JSON_ARRAY)) {
		model_fault(r, "field_type", "/steps", "must be an array, not %s",
			    pb_json_type_name(j));
		return;
	}
	if (j->len == 0)
		model_fault(r, "field_value", "/steps", "must have at least one step");
	if (j->len > MODEL_WORKFLOW_MAX_STEPS) {
		model_fault(r, "too_many_steps", "/steps", "at most %d steps, not %u",
			    MODEL_WORKFLOW_MAX_STEPS, j->len);
		return;
	}
	r->wf->steps = model_reader_alloc(r, j->len, sizeof(*r->wf->steps));
	r->type_unknown = model_reader_alloc(r, j->len, sizeof(*r->type_unknown));
	if (!r->wf->steps || !r->type_unknown)
		return;
	for (uint32_t i = 0; i < j->len; i++) {
		read_step(r, &j->items[i], i);
		r->wf->n_steps++;
	}
}
