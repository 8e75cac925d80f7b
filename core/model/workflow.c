/* SPDX-License-Identifier: Apache-2.0 */
/* The definition as a whole: head, trigger and settings; steps and edges are read by their own files. */
#include "model/workflow.h"

#include "model/workflow_reader.h"
#include "base/clock.h"
#include "base/base.h"

#define TEXT_CHARS       200
#define CONCURRENCY_MAX  10000
#define RETENTION_MIN_US (INT64_C(3600) * PB_USEC_PER_SEC)
#define RETENTION_MAX_US (INT64_C(3650) * 24 * 3600 * PB_USEC_PER_SEC)

static const char *const trigger_names[] = {"webhook", "manual"};
static const char *const method_names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

const char *model_trigger_type_name(enum model_trigger_type t)
{
	return (unsigned)t < PB_ARRAY_LEN(trigger_names) ? trigger_names[t] : "unknown";
}

const char *model_method_name(enum model_method m)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(method_names); i++)
		if ((unsigned)m == 1u << i)
			return method_names[i];
	return "unknown";
}

unsigned model_method_parse(const char *s, size_t n)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(method_names); i++)
		if (pb_slice_eq_str(pb_slice(s, n), method_names[i]))
			return 1u << i;
	return 0;
}

/* False when @j is no object, which is reported. */
static bool must_be_object(struct model_reader *r, const struct pb_json *j, const char *at)
{
	if (pb_json_is(j, PB_JSON_OBJECT))
		return true;
	model_fault(r, "field_type", at, "must be an object, not %s", pb_json_type_name(j));
	return false;
}

static void read_methods(const struct model_object *with, struct model_trigger *t)
{
	const struct pb_json *list = model_field(with, "methods", false);
	const char *at = model_field_at(with, "methods");
	unsigned methods = 0;

	if (!list)
		return;
	if (!pb_json_is(list, PB_JSON_ARRAY)) {
		model_fault(with->r, "field_type", at, "must be an array, not %s",
			    pb_json_type_name(list));
		return;
	}
	if (list->len == 0)
		model_fault(with->r, "field_value", at, "must have at least one method");
	for (uint32_t i = 0; i < list->len; i++) {
		struct pb_slice s = pb_json_slice(&list->items[i]);
		unsigned m = model_method_parse(s.p, s.len);

		if (!m)
			model_fault(with->r, "method_unknown",
				    pb_pointer_index(with->r->arena, at, i),
				    "must be one of GET, HEAD, POST, PUT, PATCH, DELETE");
		methods |= m;
	}
	t->methods = methods;
}

static void read_webhook(struct model_reader *r, const struct pb_json *with)
{
	static const char *const known[] = {"methods", "respond", "deadline", NULL};
	static const char *const responds[] = {"accepted", "result", NULL};
	struct model_object o = {r, with, "/trigger/with"};
	struct model_trigger *t = &r->wf->trigger;
	unsigned choice;

	t->methods = MODEL_METHOD_POST;
	t->deadline_us = MODEL_RESPOND_DEADLINE_US;
	if (!with)
		return;
	model_fields_known(&o, known);
	read_methods(&o, t);
	if (model_field_choice(&o, "respond", responds, &choice))
		t->respond = (enum model_respond)choice;
	(void)model_field_duration(&o, "deadline", PB_USEC_PER_MSEC, MODEL_RESPOND_DEADLINE_MAX_US,
				   &t->deadline_us);
}

void model_read_trigger(struct model_reader *r, const struct pb_json *j)
{
	static const char *const known[] = {"type", "with", NULL};
	static const char *const nothing[] = {NULL};
	struct model_object o = {r, j, "/trigger"};
	struct model_object with = {r, NULL, "/trigger/with"};
	const struct pb_json *type;

	if (!must_be_object(r, j, o.at))
		return;
	model_fields_known(&o, known);
	with.j = model_field(&o, "with", false);
	if (with.j && !must_be_object(r, with.j, with.at))
		with.j = NULL;
	r->wf->trigger.with = with.j;
	type = model_field(&o, "type", true);
	if (!type)
		return;
	if (pb_slice_eq_str(pb_json_slice(type), "webhook")) {
		read_webhook(r, with.j);
	} else if (pb_slice_eq_str(pb_json_slice(type), "manual")) {
		r->wf->trigger.type = MODEL_TRIGGER_MANUAL;
		model_fields_known(&with, nothing);
	} else if (pb_json_is(type, PB_JSON_STRING)) {
		model_fault(r, "trigger_type_unsupported", "/trigger/type",
			    "triggers of type \"%.*s\" are not supported; supported are webhook, "
			    "manual",
			    (int)PB_MIN(type->len, 40u), type->s);
	} else {
		model_fault(r, "field_type", "/trigger/type", "must be a string, not %s",
			    pb_json_type_name(type));
	}
}

/* null says the same as leaving it out. */
static bool is_given(const struct model_object *o, const char *key)
{
	const struct pb_json *v = pb_json_get(o->j, key);

	return v && !pb_json_is(v, PB_JSON_NULL);
}

/* Nobody acts on it yet: saying nothing would promise what is not kept. */
static void unsupported(const struct model_object *o, const char *key)
{
	model_fault(o->r, "setting_unsupported", model_field_at(o, key),
		    "\"%s\" is not supported by this version; leave it out", key);
}

void model_read_settings(struct model_reader *r, const struct pb_json *j)
{
	static const char *const known[] = {"mode",           "timezone",  "concurrency",
					    "error_workflow", "retention", NULL};
	static const char *const modes[] = {"durable", "express", NULL};
	struct model_object o = {r, j, "/settings"};
	struct model_settings *s = &r->wf->settings;
	unsigned choice;

	if (!j || !must_be_object(r, j, o.at))
		return;
	model_fields_known(&o, known);
	if (is_given(&o, "mode") && model_field_choice(&o, "mode", modes, &choice)) {
		s->mode = (enum model_mode)choice;
		if (s->mode != MODEL_MODE_DURABLE)
			unsupported(&o, "mode");
	}
	if (is_given(&o, "timezone"))
		(void)model_field_text(&o, "timezone", false, TEXT_CHARS, &s->timezone);
	if (is_given(&o, "concurrency") &&
	    model_field_uint(&o, "concurrency", 1, CONCURRENCY_MAX, &s->concurrency))
		unsupported(&o, "concurrency");
	if (is_given(&o, "error_workflow") &&
	    model_field_text(&o, "error_workflow", false, TEXT_CHARS, &s->error_workflow))
		unsupported(&o, "error_workflow");
	if (is_given(&o, "retention") && model_field_duration(&o, "retention", RETENTION_MIN_US,
							      RETENTION_MAX_US, &s->retention_us))
		unsupported(&o, "retention");
}

static void read_head(struct model_reader *r, const struct model_object *o)
{
	const struct pb_json *format = model_field(o, "patchbay", true);
	const struct pb_json *layout = model_field(o, "layout", false);
	int64_t v;

	if (format && (!pb_json_i64(format, &v) || v != MODEL_WORKFLOW_FORMAT))
		model_fault(r, "format_unsupported", "/patchbay", "must be %d",
			    MODEL_WORKFLOW_FORMAT);
	(void)model_field_text(o, "name", true, MODEL_WORKFLOW_NAME_CHARS, &r->wf->name);
	if (layout)
		(void)must_be_object(r, layout,
				     "/layout"); /* its content is the editor's business */
}

static void read_document(struct model_reader *r, const struct pb_json *json)
{
	static const char *const known[] = {"patchbay", "name",     "trigger", "steps",
					    "edges",    "settings", "layout",  NULL};
	struct model_object o = {r, json, ""};
	const struct pb_json *trigger, *steps;

	if (!must_be_object(r, json, ""))
		return;
	model_fields_known(&o, known);
	read_head(r, &o);
	trigger = model_field(&o, "trigger", true);
	if (trigger)
		model_read_trigger(r, trigger);
	steps = model_field(&o, "steps", true);
	if (steps)
		model_read_steps(r, steps);
	if (r->wf->n_steps > 0)
		model_read_edges(r, pb_json_get(json, "edges"));
	model_read_settings(r, pb_json_get(json, "settings"));
}

enum pb_status model_workflow_read(const struct pb_json *json, struct pb_arena *arena,
				   struct pb_problems *problems, const struct model_workflow **ret,
				   bool *ret_sound, struct pb_err *err)
{
	struct model_reader r = {.arena = arena, .problems = problems};

	r.wf = model_reader_alloc(&r, 1, sizeof(*r.wf));
	if (r.wf) {
		r.wf->settings.timezone = "UTC";
		read_document(&r, json);
	}
	if (arena->overflow)
		return pb_err_set(err, PB_E_TOO_LARGE, "workflow.too_large",
				  "the workflow is too large");
	*ret_sound = !r.failed;
	*ret = r.wf;
	return PB_OK;
}

enum pb_status model_workflow_parse(const struct pb_json *json, struct pb_arena *arena,
				    struct pb_problems *problems, const struct model_workflow **ret,
				    struct pb_err *err)
{
	const struct model_workflow *wf = NULL;
	bool sound = false;
	enum pb_status st = model_workflow_read(json, arena, problems, &wf, &sound, err);

	if (st != PB_OK)
		return st;
	if (!sound)
		return pb_err_set(err, PB_E_UNPROCESSABLE, "workflow.invalid",
				  "the workflow definition has %zu faults",
				  problems->n + problems->more);
	*ret = wf;
	return PB_OK;
}
