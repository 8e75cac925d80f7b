/* SPDX-License-Identifier: Apache-2.0 */
/* The list of faults of a document, and the JSON Pointers that say where they are. */
#include "base/problem.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/base.h"

#define MESSAGE_BYTES 512

void pb_problems_init(struct pb_problems *p, struct pb_arena *arena, size_t max)
{
	*p = (struct pb_problems){.arena = arena, .max = max};
}

static struct pb_problem *problem_new(struct pb_arena *a, const char *code, const char *pointer,
				      const char *message)
{
	struct pb_problem *p = pb_arena_alloc(a, sizeof(*p));

	if (!p)
		return NULL;
	p->code = pb_arena_strdup(a, code);
	p->pointer = pb_arena_strdup(a, pointer);
	p->message = pb_arena_strdup(a, message);
	return p->code && p->pointer && p->message ? p : NULL;
}

void pb_problems_add(struct pb_problems *p, const char *code, const char *pointer, const char *fmt,
		     ...)
{
	char text[MESSAGE_BYTES + 4];
	struct pb_problem *one = NULL;
	va_list ap;

	if (p->n < p->max) {
		va_start(ap, fmt);
		if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
			text[0] = 0;
		va_end(ap);
		text[pb_utf8_cut(text, strlen(text), MESSAGE_BYTES)] = 0;
		one = problem_new(p->arena, code, pointer ? pointer : "", text);
	}
	if (!one) {
		p->more++;
		return;
	}
	if (p->last)
		p->last->next = one;
	else
		p->first = one;
	p->last = one;
	p->n++;
}

const char *pb_pointer_key(struct pb_arena *a, const char *base, const char *key, size_t key_len)
{
	size_t base_len = base ? strlen(base) : 0, extra = 0, at;
	char *out;

	for (size_t i = 0; i < key_len; i++)
		extra += key[i] == '~' || key[i] == '/';
	out = pb_arena_alloc_raw(a, base_len + key_len + extra + 2);
	if (!out)
		return "";
	if (base_len)
		memcpy(out, base, base_len);
	at = base_len;
	out[at++] = '/';
	for (size_t i = 0; i < key_len; i++) {
		if (key[i] == '~' || key[i] == '/') {
			out[at++] = '~';
			out[at++] = key[i] == '~' ? '0' : '1';
		} else {
			out[at++] = key[i];
		}
	}
	out[at] = 0;
	return out;
}

const char *pb_pointer_index(struct pb_arena *a, const char *base, size_t index)
{
	const char *out = pb_arena_printf(a, "%s/%zu", base ? base : "", index);

	return out ? out : "";
}
