/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.json as a struct, read without running any code of the connector. The surprising thing:
 * every fault is reported at once with its place; unknown keys are warnings, so that an older host
 * reads a newer manifest.
 */
#ifndef PB_CONNECTOR_CONNECTOR_MANIFEST_H
#define PB_CONNECTOR_CONNECTOR_MANIFEST_H

#include "base/arena.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/problem.h"

struct schema;
struct connector_manifest;

#define CONNECTOR_MANIFEST_BYTES_MAX ((size_t)1 << 20)
#define CONNECTOR_OPERATIONS_MAX     512

enum connector_idempotency {
	CONNECTOR_IDEMPOTENCY_NONE,    /* repeating may do it twice */
	CONNECTOR_IDEMPOTENCY_HEADER,  /* the far side takes a key and answers the same again */
	CONNECTOR_IDEMPOTENCY_NATURAL, /* repeating is harmless by nature */
	CONNECTOR_IDEMPOTENCY_CHECK,   /* `check` operation tells whether it happened */
};

/* Puts one field of the connection on the wire. @value is a template, "Bearer ${cred.token}". */
struct connector_inject {
	const char *name; /* header or query parameter */
	const char *value;
	bool in_query;
	bool basic; /* @value is "user:password", sent as Basic */
};

struct connector_credential {
	const char *id;
	const char *type;            /* "fields" "basic" "oauth2" */
	const char *label;           /* for people, may be NULL */
	const struct schema *fields; /* compiled, NULL when the type has none */
	const struct pb_json *fields_json;
	const struct connector_inject *inject;
	size_t n_inject;
	const char *const *hosts; /* gets it only there; none = the manifest's hosts */
	size_t n_hosts;
	const char *const *exposed; /* secret fields that the connector may read */
	size_t n_exposed;
	const struct pb_json *json; /* the whole declaration */
};

/* One rule of the error map, first match wins. */
struct connector_error_rule {
	int64_t status_min, status_max; /* 0..0 = any */
	const char *pointer;            /* into the JSON body, NULL = not looked at */
	const struct pb_json *equals;   /* NULL = present is enough */
	uint32_t status;                /* enum connector_status */
	const char *retry_after;        /* "header:Retry-After" or NULL */
	const char *field;   /* pointer to the faulty parameter's name in the body, or NULL */
	const char *code;    /* pointer to the service's own code, or NULL */
	const char *message; /* pointer to the service's message, or NULL */
};

struct connector_operation {
	const char *id;   /* "post_message" */
	const char *name; /* "action:post_message", as the runner knows it */
	const char *title, *description;
	int64_t version;
	bool native;
	const struct pb_json *request; /* declarative, NULL when native */
	const struct schema *params;   /* compiled, never NULL for actions */
	const struct pb_json *params_json;
	const char *const *credentials; /* ids that it accepts; none = needs no connection */
	size_t n_credentials;
	bool credential_optional; /* "" among the ids: works without a connection too */
	enum connector_idempotency idempotency;
	const char *idempotency_header; /* mode header */
	const struct pb_json
		*natural_when; /* mode none: harmless when these parameters have these values */
	int64_t timeout_us;    /* 0 = the host's */
	const struct pb_json *json; /* the whole declaration */
};

/* Borrowed from the manifest; immutable. */
struct connector_manifest {
	const char *id, *version, *name, *summary;
	const char *base_url; /* or NULL */
	const char *const *hosts;
	size_t n_hosts;
	bool hosts_from_connection; /* "${cred.host}" among the hosts: the connection names it */
	const char *const *libraries;
	size_t n_libraries;
	const struct connector_credential *credentials;
	size_t n_credentials;
	const struct connector_error_rule *errors;
	size_t n_errors;
	const struct connector_operation *actions;
	size_t n_actions;
	const struct connector_operation
		*tests; /* "test:bot", one for each credential that has one */
	size_t n_tests;
	const char *const *native; /* every native operation, "action:x", "options:y", ... */
	size_t n_native;
	int64_t concurrency;        /* calls of one connection at once; 1 = serial */
	const struct pb_json *json; /* the whole document */
	const char *text;           /* its exact bytes */
	size_t text_bytes;
	struct pb_arena *arena;
};

/*
 * Reads and checks @text.
 * Owner:   *ret owned, free with connector_manifest_free(). @faults and @warnings have arenas of
 *          their own and may be NULL.
 * Errors:  PB_E_INVALID connector.manifest (at least one fault; codes manifest.syntax, .missing,
 *          .type, .value, .duplicate, .reference, .schema, .conflict), PB_E_TOO_LARGE
 *          connector.manifest_too_large.
 * Threads: [any-thread]
 */
enum pb_status connector_manifest_parse(const char *text, size_t n, struct connector_manifest **ret,
					struct pb_problems *faults, struct pb_problems *warnings,
					struct pb_err *err) pb_must_check;
void connector_manifest_free(struct connector_manifest *m);
PB_DEFINE_AUTOPTR(connector_manifest, connector_manifest_free);

/* NULL when absent. [any-thread] */
const struct connector_operation *connector_manifest_action(const struct connector_manifest *m,
							    const char *id, size_t n);
const struct connector_credential *connector_manifest_credential(const struct connector_manifest *m,
								 const char *id);
/* The test of a credential; NULL when it has none. [any-thread] */
const struct connector_operation *connector_manifest_test(const struct connector_manifest *m,
							  const char *credential);

/*
 * The operation of a classification: the first rule that fits @http_status and @body (JSON or
 * NULL); without one the usual meaning of the status (401 auth_expired, 403 auth_denied, 429
 * rate_limited, 408/425/5xx transient, other 4xx permanent). [any-thread]
 */
uint32_t connector_manifest_classify(const struct connector_manifest *m, int http_status,
				     const struct pb_json *body,
				     const struct connector_error_rule **ret_rule);

/* May @op with these parameters be repeated with the same idempotency key? [any-thread] */
bool connector_operation_repeatable(const struct connector_operation *op,
				    const struct pb_json *params);

#endif
