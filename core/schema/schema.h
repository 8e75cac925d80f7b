/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Schema (the subset of 2020-12 that manifests and the API use): compile once, validate often.
 * Every fault is reported with a JSON Pointer into the instance and a reason for people.
 *
 * Keywords: type enum const, properties required additionalProperties patternProperties
 * propertyNames minProperties maxProperties, items prefixItems contains minItems maxItems
 * uniqueItems, minLength maxLength (characters) pattern, minimum maximum exclusiveMinimum
 * exclusiveMaximum multipleOf, allOf anyOf oneOf not, if then else, $ref to a schema of the
 * same document (a JSON Pointer behind "#"), boolean schemas, and format uri email date-time uuid, which here assert.
 * $schema $id $comment title description default examples deprecated readOnly writeOnly and names
 * that begin with "x-" are read over; any other keyword or format is a fault of the schema, so that
 * a typing error never means "everything is allowed".
 */
#ifndef PB_SCHEMA_SCHEMA_H
#define PB_SCHEMA_SCHEMA_H

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/problem.h"

struct schema;

/* What one schema and one validation may cost. */
#define SCHEMA_MAX_NODES       ((size_t)20000) /* subschemas of one document */
#define SCHEMA_MAX_DEPTH       128 /* of nested subschemas while validating, $ref included */
#define SCHEMA_MAX_WORK        ((size_t)1000000) /* checks of one validation */
#define SCHEMA_MAX_PATTERN     1000              /* bytes of one pattern */
#define SCHEMA_MAX_MATCH_STEPS 100000            /* of one pattern match */

/*
 * Compiles @schema, which may go away afterwards. Faults go to @problems (or nowhere when it is NULL) as
 * schema.* with pointers into the schema itself.
 * Owner:   *ret owned, free with schema_free(). Immutable.
 * Errors:  PB_E_UNPROCESSABLE schema.invalid (see @problems), PB_E_TOO_LARGE schema.too_large.
 * Threads: [any-thread]
 */
enum pb_status schema_compile(const struct pb_json *schema, struct schema **ret,
			      struct pb_problems *problems, struct pb_err *err) pb_must_check;
void schema_free(struct schema *s);

/*
 * Checks @instance (NULL is invalid). @code is the code of the problems that are added (a literal such as
 * "workflow.param_invalid"), their pointers begin with @base (NULL or "" for the instance's own root). A
 * missing field is reported at the place where it should be. @problems may be NULL. True when it is valid.
 * Faults inside anyOf, oneOf, not and if are judged, not reported one by one.
 * Limits:  work over the limits makes it invalid with "too much work".
 * Threads: [any-thread], any number at once on one schema.
 */
bool schema_validate(const struct schema *s, const struct pb_json *instance,
		     struct pb_problems *problems, const char *code,
		     const char *base) pb_must_check;

/* The formats by themselves, for other checkers. @s need not be NUL-terminated. */
bool schema_format_is_uri(const char *s, size_t n);
bool schema_format_is_email(const char *s, size_t n);

PB_DEFINE_AUTOPTR(schema, schema_free);

#endif
