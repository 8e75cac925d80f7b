/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of saving a workflow that needs the world around it: do the actions exist, do the parameters fit
 * their manifests, are there such connections. Parameters that hold expressions are judged when they run;
 * what can be known now (unknown names, missing names, constant values) is said now.
 */
#include "engine/engine_check.h"

#include "base/json.h"
#include "connector/connector.h"
#include "engine/engine_plan.h"
#include "schema/schema.h"

#include "base/base.h"

/* Said to the engine in the http action's `with`; everyone else's parameter of that name is theirs. */
static bool is_engines_word(const struct model_step *step, const struct pb_json_member *m)
{
	return pb_str_eq(step->connector, "http") && pb_str_eq(m->key, "repeatable");
}

static bool holds_expression(const struct pb_json *j)
{
	struct pb_slice s = pb_json_slice(j);

	if (s.p && memmem(s.p, s.len, "{{", 2))
		return true;
	pb_json_each_item (it, j) {
		if (holds_expression(it))
			return true;
	}
	pb_json_each_member (m, j) {
		if (holds_expression(&m->value))
			return true;
	}
	return false;
}

/* Names only: what is missing, what is not known. */
static void check_names(const struct engine_check *c, const struct model_step *step,
			const struct pb_json *with, const struct pb_json *schema)
{
	const struct pb_json *properties = pb_json_get(schema, "properties");
	const struct pb_json *additional = pb_json_get(schema, "additionalProperties");
	struct pb_arena *a = c->problems->arena;
	const char *base = pb_pointer_key(a, step->pointer, "with", 4);

	pb_json_each_item (it, pb_json_get(schema, "required")) {
		const char *name = pb_json_str(it);

		if (name && !pb_json_get(with, name))
			pb_problems_add(c->problems, "workflow.param_missing", base,
					"%s needs the parameter \"%s\"", step->action, name);
	}
	if (!properties || (additional && !pb_json_is(additional, PB_JSON_BOOL)) ||
	    pb_json_true(additional))
		return;
	pb_json_each_member (m, with) {
		if (!pb_json_getn(properties, m->key, m->key_len) && !is_engines_word(step, m))
			pb_problems_add(c->problems, "workflow.param_unknown",
					pb_pointer_key(a, base, m->key, m->key_len),
					"%s has no parameter \"%s\"", step->action, m->key);
	}
}

/* Each constant parameter against its own schema. */
static void check_constants(const struct engine_check *c, const struct model_step *step,
			    const struct pb_json *with, const struct pb_json *schema)
{
	struct pb_arena *a = c->problems->arena;
	const char *base = pb_pointer_key(a, step->pointer, "with", 4);

	pb_json_each_member (m, with) {
		const struct pb_json *s =
			pb_json_getn(pb_json_get(schema, "properties"), m->key, m->key_len);
		pb_autoptr(schema) compiled = NULL;
		struct pb_problems ignored;

		pb_problems_init(&ignored, a, 1);
		if (!s || holds_expression(&m->value) ||
		    schema_compile(s, &compiled, &ignored, NULL) != PB_OK)
			continue; /* a schema with references is checked whole, when it runs */
		if (!schema_validate(compiled, &m->value, c->problems, "workflow.param_invalid",
				     pb_pointer_key(a, base, m->key, m->key_len)))
			continue; /* said in c->problems */
	}
}

static void check_connection(const struct engine_check *c, const struct model_step *step,
			     const struct connector_operation *op)
{
	const char *at = pb_pointer_key(c->problems->arena, step->pointer, "connection", 10);
	struct pb_err err = PB_ERR_INIT;

	if (!step->connection) {
		if (op->n_credentials > 0 && !op->credential_optional)
			pb_problems_add(c->problems, "workflow.connection_missing", step->pointer,
					"%s needs a connection", step->action);
		return;
	}
	if (strstr(step->connection, "{{")) {
		pb_problems_add(c->problems, "workflow.connection_invalid", at,
				"a connection is a name or an id, not an expression");
		return;
	}
	if (c->check_connection && c->check_connection(c->arg, c->tenant, step->connection,
						       step->connector, &err) != PB_OK) {
		if (pb_status_is_transient(err.status))
			*c->transient = err;
		else
			pb_problems_add(c->problems, "workflow.connection_missing", at, "%s",
					err.msg);
	}
}

static void check_action(const struct engine_check *c, const struct model_step *step)
{
	pb_autoptr(connector_action) action = NULL;
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st = connector_registry_action(c->registry, step->action,
						      step->connector_version, &action, &err);

	if (st != PB_OK) {
		pb_problems_add(c->problems, "workflow.action_unknown",
				pb_pointer_key(c->problems->arena, step->pointer, "action", 6),
				"%s", err.msg);
		return;
	}
	const struct connector_operation *op = connector_action_operation(action);

	check_names(c, step, step->with, op->params_json);
	check_constants(c, step, step->with, op->params_json);
	check_connection(c, step, op);
}

static void check_timezone(const struct engine_check *c, const struct model_settings *s)
{
	/* the default is no fault of the workflow, even on a host without zone files */
	if (!pb_str_eq(s->timezone, "UTC") && !expr_zone_exists(s->timezone))
		pb_problems_add(c->problems, "workflow.field_value", "/settings/timezone",
				"there is no time zone \"%.64s\"", s->timezone);
}

void engine_check_plan(const struct engine_check *c, const struct engine_plan *plan)
{
	for (uint16_t i = 0; i < plan->core.n_steps; i++) {
		const struct model_step *step = plan->steps[i].model;

		/* built-in steps are the reader's business; an action it could not read was reported */
		if (step->type == MODEL_STEP_TYPE_ACTION && step->action)
			check_action(c, step);
	}
	check_timezone(c, &plan->workflow->settings);
}
