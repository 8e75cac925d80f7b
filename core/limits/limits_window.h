/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the sliding window, as pure functions. limits.c holds the same in Lua. */
#ifndef PB_LIMITS_LIMITS_WINDOW_H
#define PB_LIMITS_LIMITS_WINDOW_H

#include "limits/limits.h"

/* Counts of window number @index and of the one before it. */
struct limits_window {
	int64_t index, current, previous;
};

/* Takes @cost at @now_us if it fits; fills all of *ret but source. */
void limits_window_take(struct limits_window *w, int64_t now_us, int64_t max, int64_t window_us,
			int64_t cost, struct limits_result *ret);

#endif
