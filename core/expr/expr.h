/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The expression language: {{ trigger.body.items.sum(i => i.price * i.qty) }} inside JSON strings.
 * Compiled once per workflow version, evaluated for each step. Total and bounded: no assignment, no
 * recursion, no user functions, no I/O but reading zone files; the same scope gives the same
 * result.
 *
 * Values are `struct pb_json`. Text that comes in as data is never compiled, so {{ }} inside it
 * stays text.
 *
 * Rules the engine should know:
 *  - Truth (for ! && || ?: and arrows of filter, find, some, every): null, false, 0 and "" are
 * false.
 *    && and || give the deciding operand. See expr_truthy().
 *  - Integers are exact to 64 bits; an overflow is `expr.range`, never a silent double. Integer
 * division is an integer when it comes out even, else a double. A double that is not finite is
 * `expr.range`.
 *  - Numbers as read (19.90, 1e400, 20 digits) keep their text until somebody computes with them;
 * an integer of more than 64 bits cannot be computed with outside decimal_...().
 *  - decimal functions take numbers or text and give a JSON number whose text is exact ("19.90").
 *  - A missing field, a field of null or of a scalar, an index out of range: null. `.length` works
 * on text and arrays. `value?.fn()` is null when value is null; `value.fn()` then calls fn with
 * null.
 *  - + does not join text: use `a${x}b` in backticks, or concat().
 *  - `now` and all dates are RFC 3339 text in UTC.
 */
#ifndef PB_EXPR_EXPR_H
#define PB_EXPR_EXPR_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/problem.h"

#define EXPR_MAX_SOURCE_BYTES 65536
#define EXPR_MAX_DEPTH        64
#define EXPR_MAX_ARGS         16

struct expr_program;  /* one expression without the braces */
struct expr_template; /* a JSON value in whose strings {{ }} may stand */

/* What goes wrong while evaluating. @err is filled like any pb_err. */
struct expr_error {
	struct pb_err err;
	const char *pointer; /* of the string inside the template, "" for a program; lives with the
				template */
	uint32_t position;   /* byte in that string where the failing part begins */
};

/*
 * What is used up by evaluating. Start with expr_budget_init(); pass the same one to several calls
 * to bound them together. Units:  steps = nodes evaluated, elements visited, 64 bytes of text
 * handled, 16 digits of a long number read, 25 items of a pattern tried; output = bytes of the resulting JSON; memory = bytes
 * taken from the arena on the way.
 */
struct expr_budget {
	uint32_t steps_left;
	uint32_t output_left;
	uint32_t memory_left;
};

#define EXPR_BUDGET_STEPS  100000u
#define EXPR_BUDGET_OUTPUT 1048576u
#define EXPR_BUDGET_MEMORY 8388608u

void expr_budget_init(struct expr_budget *b);

/*
 * Hash functions lent by `main`, since crypto is on the same floor. Each writes its raw digest and
 * returns its bytes (at most 64), or 0 when it failed. A NULL entry makes the function fail with
 * `expr.unavailable`. Threads: [any-thread]
 */
#define EXPR_DIGEST_BYTES 64
struct expr_host {
	size_t (*sha256)(const void *p, size_t n, uint8_t out[EXPR_DIGEST_BYTES]);
	size_t (*sha512)(const void *p, size_t n, uint8_t out[EXPR_DIGEST_BYTES]);
	size_t (*hmac_sha256)(const void *key, size_t key_len, const void *p, size_t n,
			      uint8_t out[EXPR_DIGEST_BYTES]);
};

typedef const struct pb_json *expr_lookup_fn(void *arg, const char *id, size_t id_len);

/*
 * What the names mean. Everything is borrowed; the result may share parts of it, so it must live as
 * long as the result does. A NULL value reads as null. random() and uuid() are pure functions of
 * @seed, the place of the call in the template and the number of the call: give each step and each
 * loop iteration its own seed. They are not fit for secrets.
 */
struct expr_scope {
	const struct pb_json *trigger;
	const struct pb_json *item, *index, *loop;
	const struct pb_json *vars;
	const struct pb_json *execution;
	expr_lookup_fn *step;  /* steps.<id>: its output, NULL = null */
	expr_lookup_fn *error; /* errors.<id> */
	void *arg;             /* for both */
	int64_t now_us;
	uint8_t seed[16];
	const char *timezone;         /* default zone of date functions; NULL = "UTC" */
	const struct expr_host *host; /* may be NULL */
};

/*
 * Compiles every {{ }} inside @value.
 * Owner:   *ret lives in @arena and shares @value, which must live as long. It is immutable and may
 * be used by many threads at once. Errors:  PB_E_INVALID when at least one fault was added to
 * @problems: expr.syntax, expr.unknown_function, expr.arity, expr.too_deep, expr.too_long; the
 * pointer is @pointer_base plus the place inside @value, the message begins with "byte N: ".
 * PB_E_TOO_LARGE when the arena is full. Threads: [any-thread]
 */
enum pb_status expr_template_compile(struct pb_arena *arena, const struct pb_json *value,
				     const char *pointer_base, struct pb_problems *problems,
				     const struct expr_template **ret) pb_must_check;

/*
 * Gives the value with every expression replaced. Strings that are exactly one {{ }} keep the
 * result's type. Owner:   *ret lives in @out and shares the parts of the template and the scope
 * that did not change. Errors:  PB_E_UNPROCESSABLE: expr.type, expr.range, expr.argument,
 * expr.division_by_zero, expr.depth, expr.budget_steps, expr.budget_output, expr.budget_memory,
 * expr.regex, expr.zone, expr.encoding, expr.unavailable. None of them goes away by trying again.
 * Messages begin with "byte N: " when the failure has a place, and hold no data but short type names, function names and numbers. Threads: [any-thread];
 * uses less than 64 KB of stack.
 */
enum pb_status expr_template_eval(const struct expr_template *tmpl, const struct expr_scope *scope,
				  struct pb_arena *out, struct expr_budget *budget,
				  const struct pb_json **ret, struct expr_error *err) pb_must_check;

/* True when there is no expression inside: eval gives the source value itself (with \{{ replaced).
 */
bool expr_template_is_constant(const struct expr_template *tmpl);

/* True when member @key of the template's object is one expression and nothing around it. */
bool expr_template_is_expression(const struct expr_template *tmpl, const char *key);

enum expr_ref_kind { EXPR_REF_STEP, EXPR_REF_ERROR };

struct expr_ref {
	enum expr_ref_kind kind;
	const char *id; /* NUL-terminated, lives with the template */
	const char *pointer;
	uint32_t position;
};

/* Calls @fn for each use of steps.<id> and errors.<id>, in source order; stops early when @fn gives
 * false. */
typedef bool expr_ref_fn(const struct expr_ref *ref, void *arg);
void expr_template_each_ref(const struct expr_template *tmpl, expr_ref_fn *fn, void *arg);

/* The same for one bare expression without braces. Errors of compiling: PB_E_INVALID in @err. */
enum pb_status expr_program_compile(struct pb_arena *arena, const char *text, size_t n,
				    const struct expr_program **ret,
				    struct expr_error *err) pb_must_check;
enum pb_status expr_program_eval(const struct expr_program *prog, const struct expr_scope *scope,
				 struct pb_arena *out, struct expr_budget *budget,
				 const struct pb_json **ret, struct expr_error *err) pb_must_check;

/* null, false, 0 and "" are false. NULL is null. */
bool expr_truthy(const struct pb_json *j);

/* One line of the function table, for documentation and completion. */
struct expr_function {
	const char *name;
	const char *signature; /* "pad_start(text, length, fill?)" */
	const char *group;     /* "text", "number", ... */
	const char *doc;       /* one line */
};

/* The functions one by one, ordered by group; false past the end. */
bool expr_function_at(size_t index, struct expr_function *ret);

/* Whether there is such a zone, to be asked when a workflow is saved. [any-thread], reads a file */
bool expr_zone_exists(const char *name);
/* Where zone files are read from; the default is /usr/share/zoneinfo. @dir is borrowed for ever.
 * [main, before start] */
void expr_zone_set_dir(const char *dir);
/* Forgets all loaded zones. [main, after all threads ended] */
void expr_zone_clear(void);

#endif
