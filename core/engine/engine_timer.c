/* SPDX-License-Identifier: Apache-2.0 */
/* The heap behind short waits (see the header). */
#include "engine/engine_timer.h"

#include "base/base.h"

void engine_timers_done(struct engine_timers *t)
{
	free(t->v);
	*t = (struct engine_timers){0};
}

static void swap(struct engine_timers *t, size_t a, size_t b)
{
	struct engine_timer tmp = t->v[a];

	t->v[a] = t->v[b];
	t->v[b] = tmp;
}

void engine_timers_add(struct engine_timers *t, int64_t at_us, struct engine_run *run)
{
	size_t i = t->n++;

	if (t->n > t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->v = pb_xrealloc(t->v, t->cap, sizeof(*t->v));
	}
	t->v[i] = (struct engine_timer){at_us, run};
	for (; i > 0 && t->v[(i - 1) / 2].at_us > t->v[i].at_us; i = (i - 1) / 2)
		swap(t, i, (i - 1) / 2);
}

bool engine_timers_pop(struct engine_timers *t, int64_t now_us, struct engine_run **ret)
{
	if (t->n == 0 || t->v[0].at_us > now_us)
		return false;
	*ret = t->v[0].run;
	t->v[0] = t->v[--t->n];
	for (size_t i = 0;;) {
		size_t least = i, left = 2 * i + 1, right = left + 1;

		if (left < t->n && t->v[left].at_us < t->v[least].at_us)
			least = left;
		if (right < t->n && t->v[right].at_us < t->v[least].at_us)
			least = right;
		if (least == i)
			return true;
		swap(t, i, least);
		i = least;
	}
}

int64_t engine_timers_next(const struct engine_timers *t)
{
	return t->n ? t->v[0].at_us : INT64_MAX;
}
