/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to expr: how functions are declared and what the evaluator gives them. A function gets
 * its arguments evaluated (arrows excepted), checks their types, and fails with a code and its own
 * name.
 */
#ifndef PB_EXPR_FN_H
#define PB_EXPR_FN_H

#include "expr/expr_ast.h"

struct expr_regex;

#define EXPR_STACK 256

/* One evaluation. Not zeroed as a whole: only what is below `sp` and bound parameters are ever
 * read. */
struct expr_ev {
	const struct expr_scope *scope;
	struct pb_arena *out;
	struct expr_budget *budget;
	struct expr_error *err;
	const char *pointer;
	uint64_t place_hash; /* of the pointer, for random() */
	uint32_t n_random;
	uint32_t sp;
	struct expr_regex *regex; /* the last one used, owned */
	struct pb_json locals[EXPR_MAX_LOCALS];
	struct pb_json stack[EXPR_STACK];
};

struct expr_call {
	struct expr_ev *ev;
	const struct expr_node *node;
	const struct expr_fn_def *def;
	const struct expr_node *arrow; /* NULL when not given */
	struct pb_json *arg;           /* argc of them; null in the arrow's place */
	uint32_t argc;
};

typedef bool expr_fn(struct expr_call *c, struct pb_json *ret);

#define EXPR_NO_ARROW 255
struct expr_fn_def {
	const char *name;
	uint8_t min, max;     /* arguments, an arrow counts as one */
	uint8_t arrow;        /* its position, or EXPR_NO_ARROW */
	uint8_t arrow_params; /* at most */
	bool arrow_or_value;  /* a plain argument may stand there too */
	expr_fn *fn;
	const char *signature;
	const char *doc;
};

#define EXPR_FN(name, min, max, fn, sig, doc)                                                      \
	{                                                                                          \
		name, min, max, EXPR_NO_ARROW, 0, false, fn, sig, doc                              \
	}

struct expr_fn_group {
	const char *name;
	const struct expr_fn_def *defs;
	size_t n;
};

extern const struct expr_fn_group expr_fn_text, expr_fn_regex, expr_fn_encode, expr_fn_number,
	expr_fn_decimal, expr_fn_array, expr_fn_arrow, expr_fn_object, expr_fn_date, expr_fn_json,
	expr_fn_hash;

const struct expr_fn_def *expr_fn_find(const char *name, size_t len);

/* --- expr_eval.c --- */

bool expr_eval_node(struct expr_ev *ev, const struct expr_node *node, struct pb_json *ret);
/* expr_truthy() that is paid for: 0.000... is read to its end. */
bool expr_truth(struct expr_ev *ev, const struct pb_json *v, bool *ret);
/* Runs an arrow; @b may be NULL. */
bool expr_eval_arrow(struct expr_call *c, const struct pb_json *a, const struct pb_json *b,
		     struct pb_json *ret);

/* --- expr_value.c: what functions are made of --- */

/* All give false, so that `return expr_fail(...)` reads well. */
bool expr_fail(struct expr_ev *ev, uint32_t pos, const char *code, const char *fmt, ...)
	pb_printf(4, 5);
bool expr_fail_call(const struct expr_call *c, const char *code, const char *fmt, ...)
	pb_printf(3, 4);
bool expr_fail_arg(const struct expr_call *c, uint32_t i, const char *wanted);
bool expr_fail_steps(struct expr_ev *ev);

static inline bool expr_charge(struct expr_ev *ev, size_t n)
{
	if (__builtin_expect(ev->budget->steps_left < n, 0))
		return expr_fail_steps(ev);
	ev->budget->steps_left -= (uint32_t)n;
	return true;
}
/* For work that grows with bytes. */
static inline bool expr_charge_bytes(struct expr_ev *ev, size_t n)
{
	return expr_charge(ev, n / 64);
}
/*
 * Before the digits of a number (or of text that should be one) are looked at: they may be a
 * megabyte, and reading them takes a few passes. Short ones are part of the node's own step.
 */
static inline bool expr_charge_digits(struct expr_ev *ev, const struct pb_json *v)
{
	bool text = v->type == PB_JSON_NUMBER || v->type == PB_JSON_STRING;

	return !text || v->len <= 64 || expr_charge(ev, v->len / 16);
}

/* Zeroed; NULL with the error set when the memory budget or the arena is used up. */
void *expr_alloc(struct expr_ev *ev, size_t n);
struct pb_json *expr_alloc_items(struct expr_ev *ev, size_t n);
struct pb_json_member *expr_alloc_members(struct expr_ev *ev, size_t n);

static inline struct pb_json expr_null(void)
{
	return (struct pb_json){.type = PB_JSON_NULL};
}
static inline struct pb_json expr_bool(bool b)
{
	return (struct pb_json){.type = PB_JSON_BOOL, .b = b};
}
static inline struct pb_json expr_int(int64_t i)
{
	return (struct pb_json){.type = PB_JSON_INT, .i = i};
}
static inline struct pb_json expr_text_json(const char *p, size_t n)
{
	return (struct pb_json){.type = PB_JSON_STRING, .len = (uint32_t)n, .s = p};
}
static inline struct pb_json expr_array_json(const struct pb_json *items, size_t n)
{
	return (struct pb_json){.type = PB_JSON_ARRAY, .len = (uint32_t)n, .items = items};
}
static inline struct pb_json expr_object_json(const struct pb_json_member *m, size_t n)
{
	return (struct pb_json){.type = PB_JSON_OBJECT, .len = (uint32_t)n, .members = m};
}
static inline bool expr_is_number(const struct pb_json *v)
{
	return v->type == PB_JSON_INT || v->type == PB_JSON_REAL || v->type == PB_JSON_NUMBER;
}

/* Arguments. Text also takes numbers, as their text. */
bool expr_arg_text(struct expr_call *c, uint32_t i, struct pb_slice *ret);
bool expr_arg_text_or(struct expr_call *c, uint32_t i, const char * or, struct pb_slice *ret);
bool expr_arg_int(struct expr_call *c, uint32_t i, int64_t min, int64_t max, int64_t *ret);
bool expr_arg_int_or(struct expr_call *c, uint32_t i, int64_t min, int64_t max, int64_t or,
		     int64_t *ret);
bool expr_arg_double(struct expr_call *c, uint32_t i, double *ret);
bool expr_arg_array(struct expr_call *c, uint32_t i, const struct pb_json **ret);
bool expr_arg_object(struct expr_call *c, uint32_t i, const struct pb_json **ret);

/* Results. */
bool expr_ret_text(struct expr_ev *ev, const char *p, size_t n, struct pb_json *ret); /* copies */
bool expr_ret_double(struct expr_ev *ev, uint32_t pos, double d, struct pb_json *ret);

/* Text that grows in the arena, over the output limit never. */
struct expr_text {
	struct expr_ev *ev;
	char *p;
	size_t len, cap;
};
bool expr_text_reserve(struct expr_text *t, size_t extra);
bool expr_text_add(struct expr_text *t, const char *p, size_t n);
static inline bool expr_text_addc(struct expr_text *t, char c)
{
	return expr_text_add(t, &c, 1);
}
bool expr_text_add_value(struct expr_text *t, const struct pb_json *v);
bool expr_text_done(struct expr_text *t, struct pb_json *ret);

/* A list that grows in the arena. */
struct expr_list {
	struct expr_ev *ev;
	struct pb_json *p;
	size_t len, cap;
};
bool expr_list_add(struct expr_list *l, const struct pb_json *v);
struct pb_json expr_list_json(const struct expr_list *l);

/* The text of a scalar, or compact JSON; null is empty. */
bool expr_to_text(struct expr_ev *ev, const struct pb_json *v, struct pb_slice *ret);
/* The same as a string value, with the NUL behind it that the source of a number need not have. */
bool expr_to_string(struct expr_ev *ev, const struct pb_json *v, struct pb_json *ret);
bool expr_to_json_text(struct expr_ev *ev, const struct pb_json *v, bool pretty,
		       struct pb_slice *ret);
/* Bytes of compact JSON (no less, hardly more) and levels; fails past the limits. */
bool expr_measure(struct expr_ev *ev, const struct pb_json *v, uint32_t depth, size_t limit_bytes,
		  size_t *bytes);

/* Equal by value and type; false in *ret is not an error. Charges what it compares. */
bool expr_equal(struct expr_ev *ev, const struct pb_json *a, const struct pb_json *b, bool *ret);
/* -1, 0, 1; @pos is where a type error is shown. */
bool expr_compare(struct expr_ev *ev, uint32_t pos, const struct pb_json *a,
		  const struct pb_json *b, int *ret);
/* Not charged: for numbers that were, or short ones. */
int expr_number_compare(const struct pb_json *a, const struct pb_json *b);
bool expr_arith(struct expr_ev *ev, uint32_t pos, enum expr_op op, const struct pb_json *a,
		const struct pb_json *b, struct pb_json *ret);

/* A set of values by equality, for unique, group_by and objects built key by key. */
struct expr_set {
	struct expr_ev *ev;
	uint32_t *slots; /* index + 1 into `values` */
	uint32_t n_slots;
	struct expr_list values;
};
bool expr_set_init(struct expr_set *s, struct expr_ev *ev, size_t max_values);
/* *ret_index is the place of the equal value; *ret_new when it was added. */
bool expr_set_add(struct expr_set *s, const struct pb_json *v, uint32_t *ret_index, bool *ret_new);

/* --- expr_fn_text.c --- */
size_t expr_utf8_count(const char *p, size_t n);
/* Byte offset of character @index, or n. */
size_t expr_utf8_offset(const char *p, size_t n, size_t index);

/* --- expr_regex.c --- */
void expr_regex_free(struct expr_regex *re);

#endif
