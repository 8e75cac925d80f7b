/* SPDX-License-Identifier: Apache-2.0 */
/* What a schema is compiled to; private to the module. */
#ifndef PB_SCHEMA_SCHEMA_NODE_H
#define PB_SCHEMA_SCHEMA_NODE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "schema/schema.h"

enum schema_type_bit {
	SCHEMA_TYPE_NULL = 1 << 0,
	SCHEMA_TYPE_BOOLEAN = 1 << 1,
	SCHEMA_TYPE_INTEGER = 1 << 2, /* 1.0 too */
	SCHEMA_TYPE_NUMBER = 1 << 3,
	SCHEMA_TYPE_STRING = 1 << 4,
	SCHEMA_TYPE_ARRAY = 1 << 5,
	SCHEMA_TYPE_OBJECT = 1 << 6,
};

enum schema_format {
	SCHEMA_FORMAT_NONE,
	SCHEMA_FORMAT_URI,
	SCHEMA_FORMAT_EMAIL,
	SCHEMA_FORMAT_DATE_TIME,
	SCHEMA_FORMAT_UUID,
};

struct schema_regex {
	pcre2_code *code;
	const char *source;
	bool anchored; /* tried at one place only */
	struct schema_regex *next;
};

struct schema_property {
	const char *key;
	uint32_t key_len;
	struct schema_node *node;
};

struct schema_pattern_property {
	const struct schema_regex *regex;
	struct schema_node *node;
};

struct schema_nodes {
	struct schema_node **p;
	size_t n;
};

/* One subschema. A pointer that is NULL, a list that is empty or a type mask of 0 checks nothing. */
struct schema_node {
	const struct pb_json *json; /* where it was compiled from, for $ref */
	bool is_false;              /* the schema `false` */
	bool unique_items;
	uint8_t types; /* of schema_type_bit */
	enum schema_format format;
	const struct pb_json *enumeration, *constant;
	const struct pb_json *minimum, *maximum, *above, *below, *multiple_of;
	int64_t min_length, max_length;
	int64_t min_items, max_items;
	int64_t min_properties, max_properties;
	const struct schema_regex *pattern;
	struct schema_property *properties; /* sorted by schema_key_cmp */
	size_t n_properties;
	struct schema_pattern_property *pattern_properties;
	size_t n_pattern_properties;
	const struct pb_json *required;
	struct schema_node *additional, *property_names;
	struct schema_node *items, *contains;
	struct schema_nodes prefix, all, any, one;
	struct schema_node *negated, *condition, *then, *otherwise, *ref;
};

struct schema {
	struct pb_arena arena;
	struct schema_node *root;
	struct schema_regex *regexes; /* all of them, to be freed */
};

/* Any total order of keys will do: length first is the fastest. */
int schema_key_cmp(const char *a, size_t a_len, const char *b, size_t b_len);

bool schema_format_ok(enum schema_format f, const char *s, size_t n);

#endif
