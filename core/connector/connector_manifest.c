/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of manifest.json. It goes on after a fault, so that an author sees all of them; a value
 * with a fault is left at its default and the whole manifest is refused in the end.
 */
#include "connector/connector_manifest.h"

#include "base/parse.h"
#include "connector/connector_call.h"
#include "connector/connector_manifest_read.h"
#include "schema/schema.h"
#include "base/base.h"

/* Room for 200,000 values, their text and everything made of them: allocations below cannot fail. */
#define ARENA_BYTES ((size_t)64 << 20)
#define VALUES_MAX  200000
#define INJECTS_MAX 8

static const char *const top_keys[] = {
	"patchbay",   "id",          "version",  "name",    "summary",   "icon",
	"categories", "hosts",       "base_url", "errors",  "libraries", "credentials",
	"limits",     "actions",     "triggers", "options", "i18n",      "concurrency",
	"docs",       "description", "homepage", "license", NULL};
static const char *const credential_keys[] = {"id",
					      "type",
					      "grant",
					      "pkce",
					      "authorize_url",
					      "token_url",
					      "client_auth",
					      "scopes",
					      "inject",
					      "test",
					      "fields",
					      "label",
					      "hosts",
					      "title",
					      "description",
					      "expose",
					      "refresh_url",
					      "revoke_url",
					      "scope_separator",
					      "extra",
					      NULL};
static const char *const inject_keys[] = {"header", "query", "basic", "value", "when", NULL};
static const char *const action_keys[] = {
	"id",       "version", "title",         "description", "credentials", "params",
	"output",   "sample",  "idempotency",   "request",     "native",      "timeout",
	"paginate", "errors",  "docs",          "i18n",        "check",       "limits",
	"dry_run",  "items",   "output_schema", NULL};
static const char *const error_keys[] = {"when", "class",   "retry_after", "field",
					 "code", "message", NULL};
static const char *const when_keys[] = {"status", "body", "equals", NULL};
static const char *const idempotency_keys[] = {"mode", "header", "natural_when", "check", NULL};

/* ---- identifiers ---- */

static bool all_of(const char *s, const char *set)
{
	return *s && strspn(s, set) == strlen(s);
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGIT "0123456789"

static bool is_operation_id(const char *s)
{
	return strlen(s) <= 64 && *s >= 'a' && *s <= 'z' && all_of(s, LOWER DIGIT "_");
}

/* "slack" or "com.acme.crm": words of lower case, none empty. */
static bool is_connector_id(const char *s)
{
	size_t n = strlen(s);

	return n <= 100 && *s >= 'a' && *s <= 'z' && all_of(s, LOWER DIGIT "_-.") &&
	       s[n - 1] != '.' && !strstr(s, "..");
}

/* Three numbers and an optional suffix, "1.4.0", "2.0.0-rc.1". */
static bool is_version(const char *s)
{
	const char *at = s;
	int dots = 0;

	if (strlen(s) > 40)
		return false;
	for (;; at++) {
		size_t n = strspn(at, DIGIT);

		if (n == 0 || n > 6 || (n > 1 && *at == '0'))
			return false;
		at += n;
		if (dots == 2)
			break;
		if (*at != '.')
			return false;
		dots++;
	}
	return *at == 0 || ((*at == '-' || *at == '+') && all_of(at + 1, LOWER DIGIT ".-+"));
}

/* A host pattern: "*", "*.example.com", "api.example.com", or one field of the connection. */
static bool is_host(const char *s)
{
	if (strcmp(s, "*") == 0)
		return true;
	if (pb_str_starts(s, "${cred.") && pb_str_ends(s, "}"))
		return all_of(s + 7, LOWER DIGIT "_}");
	if (pb_str_starts(s, "*."))
		s += 2;
	return strlen(s) <= 253 && all_of(s, LOWER DIGIT "-.:") && *s != '.' && !strstr(s, "..");
}

static bool is_library(const char *s)
{
	return strlen(s) <= 100 && pb_str_starts(s, "lib") && strstr(s, ".so") && !strchr(s, '/');
}

static bool is_credential_id(const char *s)
{
	return !*s || is_operation_id(s);
}

static bool is_pointer(const char *s)
{
	return *s == 0 || *s == '/';
}

/* ---- credentials ---- */

static bool read_inject_one(struct connector_read *r, const struct pb_json *j, const char *at,
			    struct connector_inject *ret)
{
	const char *header = connector_read_str(r, j, at, "header", false, 128, NULL);
	const char *query = connector_read_str(r, j, at, "query", false, 128, NULL);

	connector_read_keys(r, j, at, inject_keys);
	ret->value = connector_read_str(r, j, at, "value", true, 1024, NULL);
	ret->basic = pb_json_true(pb_json_get(j, "basic"));
	ret->in_query = query != NULL;
	ret->name = query ? query : header ? header : ret->basic ? "Authorization" : NULL;
	if (!ret->name || (header && query))
		connector_read_fault(r, "manifest.value", at, "name one of header, query, basic");
	return ret->name && ret->value;
}

static void read_inject(struct connector_read *r, const struct pb_json *j, const char *at,
			struct connector_credential *c)
{
	const struct pb_json *inject = pb_json_get(j, "inject");
	const char *here = pb_pointer_key(r->arena, at, "inject", 6);
	bool many = pb_json_is(inject, PB_JSON_ARRAY);
	size_t n = many ? inject->len : inject ? 1 : 0;
	struct connector_inject *out = connector_read_alloc(r, INJECTS_MAX, sizeof(*out));

	if (n > INJECTS_MAX)
		connector_read_fault(r, "manifest.value", here, "at most %d places", INJECTS_MAX);
	for (size_t i = 0; i < PB_MIN(n, (size_t)INJECTS_MAX); i++) {
		const struct pb_json *one = many ? pb_json_item(inject, i) : inject;
		const char *p = many ? pb_pointer_index(r->arena, here, i) : here;

		if (!pb_json_is(one, PB_JSON_OBJECT))
			connector_read_fault(r, "manifest.type", p, "must be an object");
		else if (read_inject_one(r, one, p, &out[c->n_inject]))
			c->n_inject++;
	}
	c->inject = out;
}

/* Only declared fields can be shown to the connector's code. */
static void check_exposed(struct connector_read *r, const struct connector_credential *c,
			  const char *at)
{
	const struct pb_json *props = pb_json_get(c->fields_json, "properties");

	for (size_t i = 0; i < c->n_exposed; i++)
		if (!pb_json_get(props, c->exposed[i]) && !pb_str_eq(c->type, "oauth2"))
			connector_read_fault(r, "manifest.reference",
					     pb_pointer_key(r->arena, at, "expose", 6),
					     "no field \"%.64s\" is declared", c->exposed[i]);
}

static void read_credential(struct connector_read *r, const struct pb_json *j, const char *at,
			    struct connector_credential *c)
{
	static const char *const types[] = {"fields", "basic", "api_key", "oauth2", "none", NULL};

	connector_read_keys(r, j, at, credential_keys);
	c->json = j;
	c->id = connector_read_str(r, j, at, "id", true, 64, is_operation_id);
	c->type = connector_read_choice(r, j, at, "type", types);
	c->label = connector_read_str(r, j, at, "label", false, 200, NULL);
	c->fields_json = pb_json_get(j, "fields");
	if (c->fields_json)
		c->fields = connector_read_schema(r, c->fields_json,
						  pb_pointer_key(r->arena, at, "fields", 6), true);
	read_inject(r, j, at, c);
	c->exposed = connector_read_list(r, j, at, "expose", 32, NULL, &c->n_exposed);
	check_exposed(r, c, at);
	c->hosts = connector_read_list(r, j, at, "hosts", 64, is_host, &c->n_hosts);
}

/* ---- error map ---- */

static bool read_class(const char *s, uint32_t *ret)
{
	for (uint32_t i = CONNECTOR_OK; i <= CONNECTOR_INTERNAL; i++)
		if (strcmp(s, connector_status_name((enum connector_status)i)) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

/* 429, or "4xx". */
static void read_status(struct connector_read *r, const struct pb_json *j, const char *at,
			struct connector_error_rule *rule)
{
	const char *s = pb_json_str(j);
	int64_t n;

	if (!j)
		return;
	if (s && strlen(s) == 3 && s[0] >= '1' && s[0] <= '5' && pb_str_ends(s, "xx")) {
		rule->status_min = (s[0] - '0') * 100;
		rule->status_max = rule->status_min + 99;
	} else if (pb_json_i64(j, &n) && n >= 100 && n <= 599) {
		rule->status_min = rule->status_max = n;
	} else {
		connector_read_fault(r, "manifest.value", at,
				     "must be a status like 429 or \"4xx\"");
	}
}

static void read_error(struct connector_read *r, const struct pb_json *j, const char *at,
		       struct connector_error_rule *rule)
{
	const struct pb_json *when = pb_json_get(j, "when");
	const char *here = pb_pointer_key(r->arena, at, "when", 4);
	const char *class = connector_read_str(r, j, at, "class", true, 32, NULL);

	connector_read_keys(r, j, at, error_keys);
	if (!pb_json_is(when, PB_JSON_OBJECT))
		connector_read_fault(r, "manifest.missing", here, "must be an object");
	connector_read_keys(r, when, here, when_keys);
	read_status(r, pb_json_get(when, "status"), here, rule);
	rule->pointer = connector_read_str(r, when, here, "body", false, 256, is_pointer);
	rule->equals = pb_json_get(when, "equals");
	rule->retry_after = connector_read_str(r, j, at, "retry_after", false, 128, NULL);
	rule->field = connector_read_str(r, j, at, "field", false, 256, is_pointer);
	rule->code = connector_read_str(r, j, at, "code", false, 256, is_pointer);
	rule->message = connector_read_str(r, j, at, "message", false, 256, is_pointer);
	if (class && !read_class(class, &rule->status))
		connector_read_fault(r, "manifest.value", pb_pointer_key(r->arena, at, "class", 5),
				     "is not one of the SDK's errors");
}

/* ---- operations ---- */

static void read_idempotency(struct connector_read *r, const struct pb_json *j, const char *at,
			     struct connector_operation *op)
{
	static const char *const modes[] = {"none", "header", "natural", "check", NULL};
	const struct pb_json *idem = pb_json_get(j, "idempotency");
	const char *here = pb_pointer_key(r->arena, at, "idempotency", 11);
	const char *mode;

	if (!pb_json_is(idem, PB_JSON_OBJECT)) {
		connector_read_fault(r, "manifest.missing", here, "must be an object with a mode");
		return;
	}
	connector_read_keys(r, idem, here, idempotency_keys);
	mode = connector_read_choice(r, idem, here, "mode", modes);
	for (size_t i = 0; mode && modes[i]; i++)
		if (strcmp(mode, modes[i]) == 0)
			op->idempotency = (enum connector_idempotency)i;
	op->idempotency_header = connector_read_str(
		r, idem, here, "header",
		op->idempotency == CONNECTOR_IDEMPOTENCY_HEADER && !op->native, 64, NULL);
	op->natural_when = pb_json_get(idem, "natural_when");
	if (op->natural_when && !pb_json_is(op->natural_when, PB_JSON_OBJECT))
		connector_read_fault(r, "manifest.type", here, "natural_when must be an object");
}

static void check_credential_ids(struct connector_read *r, const struct connector_manifest *m,
				 const struct connector_operation *op, const char *at)
{
	for (size_t i = 0; i < op->n_credentials; i++)
		if (!connector_manifest_credential(m, op->credentials[i]))
			connector_read_fault(r, "manifest.reference",
					     pb_pointer_key(r->arena, at, "credentials", 11),
					     "no credential \"%.64s\" is declared",
					     op->credentials[i]);
}

/* Ids of credentials; "" among them (or an empty list) says that it works without a connection. */
static void read_connection(struct connector_read *r, const struct pb_json *j, const char *at,
			    struct connector_operation *op)
{
	size_t n;
	const char *const *ids =
		connector_read_list(r, j, at, "credentials", 16, is_credential_id, &n);
	const char **out = connector_read_alloc(r, n, sizeof(*out));

	op->credential_optional = n == 0;
	for (size_t i = 0; i < n; i++) {
		if (*ids[i])
			out[op->n_credentials++] = ids[i];
		else
			op->credential_optional = true;
	}
	op->credentials = out;
}

static void read_timeout(struct connector_read *r, const struct pb_json *j, const char *at,
			 struct connector_operation *op)
{
	const char *text = connector_read_str(r, j, at, "timeout", false, 16, NULL);

	if (text && !pb_parse_duration(text, strlen(text), &op->timeout_us))
		connector_read_fault(r, "manifest.value",
				     pb_pointer_key(r->arena, at, "timeout", 7),
				     "must be a duration like \"30s\"");
}

static void read_action(struct connector_read *r, const struct connector_manifest *m,
			const struct pb_json *j, const char *at, struct connector_operation *op)
{
	static const struct pb_json any_object = {.type = PB_JSON_OBJECT};

	connector_read_keys(r, j, at, action_keys);
	op->json = j;
	op->id = connector_read_str(r, j, at, "id", true, 64, is_operation_id);
	op->name = pb_arena_printf(r->arena, "action:%s", op->id ? op->id : "");
	op->title = connector_read_str(r, j, at, "title", true, 200, NULL);
	op->description = connector_read_str(r, j, at, "description", false, 4000, NULL);
	op->version = 1;
	if (!pb_json_i64(pb_json_get(j, "version"), &op->version) || op->version < 1)
		connector_read_fault(r, "manifest.missing",
				     pb_pointer_key(r->arena, at, "version", 7),
				     "must be a whole number from 1");
	op->native = pb_json_true(pb_json_get(j, "native"));
	op->request = pb_json_get(j, "request");
	if (op->native == (op->request != NULL))
		connector_read_fault(r, "manifest.conflict", at,
				     "needs either \"native\": true or a request");
	op->params_json = pb_json_get(j, "params");
	if (!op->params_json)
		op->params_json = &any_object;
	op->params = connector_read_schema(r, op->params_json,
					   pb_pointer_key(r->arena, at, "params", 6), true);
	read_idempotency(r, j, at, op);
	read_connection(r, j, at, op);
	read_timeout(r, j, at, op);
	check_credential_ids(r, m, op, at);
}

/* ---- arrays of the top level ---- */

static size_t array_of(struct connector_read *r, const struct pb_json *doc, const char *key,
		       size_t max, const struct pb_json **ret, const char **ret_at)
{
	const struct pb_json *j = pb_json_get(doc, key);

	*ret_at = pb_pointer_key(r->arena, "", key, strlen(key));
	*ret = j;
	if (!j)
		return 0;
	if (!pb_json_is(j, PB_JSON_ARRAY) || j->len > max) {
		connector_read_fault(r, "manifest.type", *ret_at, "must be a list of at most %zu",
				     max);
		return 0;
	}
	return j->len;
}

static void read_credentials(struct connector_read *r, struct connector_manifest *m)
{
	const struct pb_json *list;
	const char *at;
	size_t n = array_of(r, m->json, "credentials", 16, &list, &at);
	struct connector_credential *out = connector_read_alloc(r, n, sizeof(*out));

	m->credentials = out;
	for (size_t i = 0; i < n; i++) {
		const char *here = pb_pointer_index(r->arena, at, i);

		read_credential(r, pb_json_item(list, i), here, &out[i]);
		if (out[i].id && connector_manifest_credential(m, out[i].id))
			connector_read_fault(r, "manifest.duplicate", here, "the id is used twice");
		m->n_credentials++;
	}
}

static void read_errors(struct connector_read *r, struct connector_manifest *m)
{
	const struct pb_json *list;
	const char *at;
	size_t n = array_of(r, m->json, "errors", 200, &list, &at);
	struct connector_error_rule *out = connector_read_alloc(r, n, sizeof(*out));

	for (size_t i = 0; i < n; i++)
		read_error(r, pb_json_item(list, i), pb_pointer_index(r->arena, at, i), &out[i]);
	m->errors = out;
	m->n_errors = n;
}

static void read_actions(struct connector_read *r, struct connector_manifest *m)
{
	const struct pb_json *list;
	const char *at;
	size_t n = array_of(r, m->json, "actions", CONNECTOR_OPERATIONS_MAX, &list, &at);
	struct connector_operation *out = connector_read_alloc(r, n, sizeof(*out));

	m->actions = out;
	for (size_t i = 0; i < n; i++) {
		const char *here = pb_pointer_index(r->arena, at, i);

		read_action(r, m, pb_json_item(list, i), here, &out[i]);
		if (out[i].id && connector_manifest_action(m, out[i].id, strlen(out[i].id)))
			connector_read_fault(r, "manifest.duplicate", here, "the id is used twice");
		m->n_actions++;
	}
}

/* True when one of the first @n of @list has @id. */
static bool has_id(const struct pb_json *list, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (pb_str_eq(pb_json_str(pb_json_get(pb_json_item(list, i), "id")), id))
			return true;
	return false;
}

static void check_how(struct connector_read *r, const struct pb_json *j, const char *at,
		      bool declared, bool required)
{
	const bool native = pb_json_true(pb_json_get(j, "native"));

	if (native ? declared : required && !declared)
		connector_read_fault(r, "manifest.conflict", at,
				     "needs either \"native\": true or a request");
}

/* Item @i of @list, whose id must be one and its own. */
static const struct pb_json *named_item(struct connector_read *r, const struct pb_json *list,
					size_t i, const char *at, const char **ret_here)
{
	const struct pb_json *j = pb_json_item(list, i);
	const char *id;

	*ret_here = pb_pointer_index(r->arena, at, i);
	id = connector_read_str(r, j, *ret_here, "id", true, 64, is_operation_id);
	if (id && has_id(list, i, id))
		connector_read_fault(r, "manifest.duplicate", *ret_here, "the id is used twice");
	return j;
}

/* Only native ones run here yet, but a wrong one is told when it is installed, not when it will run. */
static void check_triggers(struct connector_read *r, const struct connector_manifest *m)
{
	static const char *const kinds[] = {"poll", "hook", NULL};
	const struct pb_json *list;
	const char *at, *here;
	size_t n = array_of(r, m->json, "triggers", 128, &list, &at);

	for (size_t i = 0; i < n; i++) {
		const struct pb_json *j = named_item(r, list, i, at, &here);
		const char *kind = connector_read_choice(r, j, here, "kind", kinds);
		const bool poll = pb_str_eq(kind, "poll");

		/* a hook that the service's administrator enters by hand subscribes to nothing */
		check_how(r, j, here, pb_json_get(j, poll ? "request" : "subscribe") != NULL, poll);
	}
}

static void check_options(struct connector_read *r, const struct connector_manifest *m)
{
	const struct pb_json *list;
	const char *at, *here;
	size_t n = array_of(r, m->json, "options", 128, &list, &at);

	for (size_t i = 0; i < n; i++) {
		const struct pb_json *j = named_item(r, list, i, at, &here);

		check_how(r, j, here, pb_json_get(j, "request") != NULL, true);
	}
}

/* Names of native operations of one array, behind those of the actions. */
static void add_native(struct connector_read *r, struct connector_manifest *m, const char **out,
		       const char *key, const char *prefix)
{
	const struct pb_json *list = pb_json_get(m->json, key);

	pb_json_each_item (j, list) {
		const char *id = pb_json_str(pb_json_get(j, "id"));
		const struct pb_json *test = pb_json_get(j, "test");
		bool native = pb_json_true(pb_json_get(j, "native")) ||
			      (test && pb_json_true(pb_json_get(test, "native")));

		if (id && native && m->n_native < CONNECTOR_OPERATIONS_MAX)
			out[m->n_native++] = pb_arena_printf(r->arena, "%s:%s", prefix, id);
	}
}

/* A trigger is native as "poll:x", or as the hook trio. */
static void add_native_triggers(struct connector_read *r, struct connector_manifest *m,
				const char **out)
{
	static const char *const hook[] = {"hook.add", "hook.del", "hook"};

	pb_json_each_item (j, pb_json_get(m->json, "triggers")) {
		const char *id = pb_json_str(pb_json_get(j, "id"));
		const char *kind = pb_json_str(pb_json_get(j, "kind"));

		if (!id || !pb_json_true(pb_json_get(j, "native")))
			continue;
		if (pb_str_eq(kind, "poll") && m->n_native < CONNECTOR_OPERATIONS_MAX)
			out[m->n_native++] = pb_arena_printf(r->arena, "poll:%s", id);
		for (size_t i = 0; pb_str_eq(kind, "hook") && i < PB_ARRAY_LEN(hook); i++)
			if (m->n_native < CONNECTOR_OPERATIONS_MAX)
				out[m->n_native++] =
					pb_arena_printf(r->arena, "%s:%s", hook[i], id);
	}
}

static void read_native(struct connector_read *r, struct connector_manifest *m)
{
	const char **out = connector_read_alloc(r, CONNECTOR_OPERATIONS_MAX, sizeof(*out));

	m->native = out;
	add_native(r, m, out, "actions", "action");
	add_native(r, m, out, "options", "options");
	add_native(r, m, out, "credentials", "test");
	add_native_triggers(r, m, out);
}

static void read_top(struct connector_read *r, struct connector_manifest *m)
{
	int64_t format = 0;

	connector_read_keys(r, m->json, "", top_keys);
	if (!pb_json_i64(pb_json_get(m->json, "patchbay"), &format) || format != 1)
		connector_read_fault(r, "manifest.value", "/patchbay", "must be 1");
	m->id = connector_read_str(r, m->json, "", "id", true, 100, is_connector_id);
	m->version = connector_read_str(r, m->json, "", "version", true, 40, is_version);
	m->name = connector_read_str(r, m->json, "", "name", true, 100, NULL);
	m->summary = connector_read_str(r, m->json, "", "summary", false, 500, NULL);
	m->base_url = connector_read_str(r, m->json, "", "base_url", false, 1024, NULL);
	m->hosts = connector_read_list(r, m->json, "", "hosts", 64, is_host, &m->n_hosts);
	for (size_t i = 0; i < m->n_hosts; i++)
		m->hosts_from_connection |= pb_str_starts(m->hosts[i], "${");
	m->libraries =
		connector_read_list(r, m->json, "", "libraries", 32, is_library, &m->n_libraries);
	m->concurrency = 1;
	if (pb_json_get(m->json, "concurrency") &&
	    (!pb_json_i64(pb_json_get(m->json, "concurrency"), &m->concurrency) ||
	     m->concurrency < 1 || m->concurrency > 1000))
		connector_read_fault(r, "manifest.value", "/concurrency", "must be 1 to 1000");
}

/*
 * Tests read and change nothing, so they may be repeated; they take no parameters and only the credential
 * that they are of. A declarative test is left out as long as the host runs no declarative operations.
 */
static void read_tests(struct connector_read *r, struct connector_manifest *m)
{
	static const struct pb_json no_params = {.type = PB_JSON_OBJECT};
	struct connector_operation *out = connector_read_alloc(r, m->n_credentials, sizeof(*out));

	m->tests = out;
	for (size_t i = 0; i < m->n_credentials; i++) {
		const struct connector_credential *c = &m->credentials[i];
		const struct pb_json *test = pb_json_get(c->json, "test");
		struct connector_operation *op = &out[m->n_tests];

		if (!c->id || !test || !pb_json_true(pb_json_get(test, "native")))
			continue;
		op->id = op->name = pb_arena_printf(r->arena, "test:%s", c->id);
		op->title = "Test";
		op->version = 1;
		op->native = true;
		op->params_json = &no_params;
		op->params = connector_read_schema(r, &no_params, "", true);
		op->credentials = &c->id;
		op->n_credentials = 1;
		op->idempotency = CONNECTOR_IDEMPOTENCY_NATURAL;
		op->json = test;
		m->n_tests++;
	}
}

/* ---- public ---- */

static enum pb_status read_all(struct connector_read *r, struct connector_manifest *m,
			       struct pb_err *err)
{
	const struct pb_json_limits limits = {.n_values = VALUES_MAX};
	struct pb_err syntax = PB_ERR_INIT;

	if (pb_json_parse(r->arena, m->text, m->text_bytes, &limits, &m->json, &syntax) != PB_OK) {
		connector_read_fault(r, "manifest.syntax", "", "%s", syntax.msg);
	} else if (!pb_json_is(m->json, PB_JSON_OBJECT)) {
		connector_read_fault(r, "manifest.type", "", "must be an object");
	} else {
		read_top(r, m);
		read_credentials(r, m);
		read_errors(r, m);
		read_actions(r, m);
		read_tests(r, m);
		check_triggers(r, m);
		check_options(r, m);
		read_native(r, m);
	}
	if (r->n_faults == 0 && !r->arena->overflow)
		return PB_OK;
	return pb_err_set(err, PB_E_INVALID, "connector.manifest",
			  "the manifest has %zu faults: %s", r->n_faults, r->first);
}

enum pb_status connector_manifest_parse(const char *text, size_t n, struct connector_manifest **ret,
					struct pb_problems *faults, struct pb_problems *warnings,
					struct pb_err *err)
{
	pb_autoptr(connector_manifest) m = NULL;
	struct connector_read r = {.faults = faults, .warnings = warnings};
	enum pb_status st;
	char *copy;

	if (n > CONNECTOR_MANIFEST_BYTES_MAX)
		return pb_err_set(err, PB_E_TOO_LARGE, "connector.manifest_too_large",
				  "the manifest is over 1 MB");
	m = pb_new(struct connector_manifest);
	m->arena = pb_new(struct pb_arena);
	pb_arena_init(m->arena, ARENA_BYTES);
	r.arena = m->arena;
	copy = pb_arena_memdup(m->arena, text, n);
	PB_ASSERT(copy);
	m->text = copy;
	m->text_bytes = n;
	st = read_all(&r, m, err);
	if (st != PB_OK)
		return st;
	*ret = pb_steal(m);
	return PB_OK;
}

/* Compiled schemas are ours although the struct shows them const. */
static void free_schema(const struct schema *s)
{
	schema_free((struct schema *)(uintptr_t)s);
}

void connector_manifest_free(struct connector_manifest *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_credentials; i++)
		free_schema(m->credentials[i].fields);
	for (size_t i = 0; i < m->n_actions; i++)
		free_schema(m->actions[i].params);
	for (size_t i = 0; i < m->n_tests; i++)
		free_schema(m->tests[i].params);
	pb_arena_done(m->arena);
	free(m->arena);
	free(m);
}

const struct connector_operation *connector_manifest_action(const struct connector_manifest *m,
							    const char *id, size_t n)
{
	for (size_t i = 0; i < m->n_actions; i++) {
		const char *have = m->actions[i].id;

		if (have && strlen(have) == n && memcmp(have, id, n) == 0)
			return &m->actions[i];
	}
	return NULL;
}

const struct connector_credential *connector_manifest_credential(const struct connector_manifest *m,
								 const char *id)
{
	for (size_t i = 0; i < m->n_credentials; i++)
		if (pb_str_eq(m->credentials[i].id, id))
			return &m->credentials[i];
	return NULL;
}

const struct connector_operation *connector_manifest_test(const struct connector_manifest *m,
							  const char *credential)
{
	for (size_t i = 0; i < m->n_tests; i++)
		if (pb_str_eq(m->tests[i].credentials[0], credential))
			return &m->tests[i];
	return NULL;
}

static bool rule_fits(const struct connector_error_rule *rule, int http_status,
		      const struct pb_json *body)
{
	const struct pb_json *found;

	if (rule->status_max && (http_status < rule->status_min || http_status > rule->status_max))
		return false;
	if (!rule->pointer)
		return true;
	found = pb_json_pointer(body, rule->pointer, strlen(rule->pointer));
	return found && (!rule->equals || pb_json_equal(found, rule->equals));
}

static uint32_t usual_class(int status)
{
	if (status < 400)
		return CONNECTOR_OK;
	if (status == 401)
		return CONNECTOR_AUTH_EXPIRED;
	if (status == 403)
		return CONNECTOR_AUTH_DENIED;
	if (status == 429)
		return CONNECTOR_RATE_LIMITED;
	return status == 408 || status == 425 || status >= 500 ? CONNECTOR_TRANSIENT
							       : CONNECTOR_PERMANENT;
}

uint32_t connector_manifest_classify(const struct connector_manifest *m, int http_status,
				     const struct pb_json *body,
				     const struct connector_error_rule **ret_rule)
{
	*ret_rule = NULL;
	for (size_t i = 0; i < m->n_errors; i++)
		if (rule_fits(&m->errors[i], http_status, body)) {
			*ret_rule = &m->errors[i];
			return m->errors[i].status;
		}
	return usual_class(http_status);
}

static bool value_is_among(const struct pb_json *value, const struct pb_json *wanted)
{
	if (!pb_json_is(wanted, PB_JSON_ARRAY))
		return value && pb_json_equal(value, wanted);
	pb_json_each_item (w, wanted) {
		if (value && pb_json_equal(value, w))
			return true;
	}
	return false;
}

bool connector_operation_repeatable(const struct connector_operation *op,
				    const struct pb_json *params)
{
	if (op->idempotency == CONNECTOR_IDEMPOTENCY_HEADER ||
	    op->idempotency == CONNECTOR_IDEMPOTENCY_NATURAL)
		return true;
	if (!op->natural_when || op->natural_when->len == 0)
		return false;
	pb_json_each_member (m, op->natural_when) {
		const struct pb_json *value = m->key[0] == '/'
						      ? pb_json_pointer(params, m->key, m->key_len)
						      : pb_json_getn(params, m->key, m->key_len);

		/* what a parameter left out means is said by the schema's default */
		if (!value && m->key[0] != '/')
			value = pb_json_get(pb_json_getn(pb_json_get(op->params_json, "properties"),
							 m->key, m->key_len),
					    "default");
		if (!value_is_among(value, &m->value))
			return false;
	}
	return true;
}
