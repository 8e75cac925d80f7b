/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was used counts the current window whole and the previous one for the part of it that the
 * sliding window still covers.
 */
#include "limits/limits_window.h"

#include "base/clock.h"
#include "base/base.h"

static void roll(struct limits_window *w, int64_t index)
{
	if (w->index >= index) /* the same, or the clock went back: stay */
		return;
	w->previous = w->index == index - 1 ? w->current : 0;
	w->current = 0;
	w->index = index;
}

/* Time until @cost fits, when nobody else takes anything. */
static int64_t retry_after(const struct limits_window *w, int64_t pos, int64_t max, int64_t window,
			   int64_t cost)
{
	double at = 0;

	if (cost > max)
		return window;
	if (w->current + cost <= max && w->previous > 0) {
		at = (double)window *
		     (1.0 - (double)(max - cost - w->current) / (double)w->previous);
		return (int64_t)at + 1 - pos;
	}
	at = (double)window * (1.0 - (double)(max - cost) / (double)PB_MAX(w->current, (int64_t)1));
	return window - pos + (int64_t)at + 1;
}

void limits_window_take(struct limits_window *w, int64_t now_us, int64_t max, int64_t window_us,
			int64_t cost, struct limits_result *ret)
{
	int64_t pos = 0;
	double used = 0;

	roll(w, now_us / window_us);
	pos = PB_MAX(now_us - w->index * window_us, (int64_t)0);
	used = (double)w->current +
	       (double)w->previous * (double)(window_us - pos) / (double)window_us;
	ret->allowed = used + (double)cost <= (double)max;
	ret->retry_after_us = 0;
	if (ret->allowed) {
		w->current += cost;
		used += (double)cost;
	} else {
		ret->retry_after_us =
			PB_MAX(retry_after(w, pos, max, window_us, cost), PB_USEC_PER_MSEC);
	}
	ret->remaining = PB_MAX((int64_t)((double)max - used), (int64_t)0);
	ret->reset_us = w->current ? 2 * window_us - pos : w->previous ? window_us - pos : 0;
}
