/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host knows by itself of each key, bounded in number of keys: its own count, for when Redis is
 * away, and the takes that were counted in Redis in advance.
 */
#ifndef PB_LIMITS_LIMITS_LOCAL_H
#define PB_LIMITS_LIMITS_LOCAL_H

#include "limits/limits_window.h"

struct limits_local;

/* Memory is touched as keys appear. */
struct limits_local *limits_local_new(void);
void limits_local_free(struct limits_local *l);
void limits_local_take(struct limits_local *l, struct pb_slice key, int64_t now_us, int64_t max,
		       int64_t window_us, int64_t cost, struct limits_result *ret);

/* Of takes counted in advance: how many there are, until when, and what to say beside them. */
struct limits_held {
	int64_t n;
	int64_t until_us;  /* pb_mono_us: the end of the window they were counted in */
	int64_t remaining; /* that nobody held then */
	int64_t reset_at_us;
	int64_t fetch_at_us; /* no more in advance before: the last time nobody answered, and it may
				have been counted all the same */
};

/*
 * Gives out one that is held. False when there is none: the caller counts in Redis, and when *ret_fetch
 * is set it takes more in advance and must come back with limits_local_hold, whatever became of it. One
 * caller at a time is told so.
 */
bool limits_local_spend(struct limits_local *l, struct pb_slice key, int64_t now_us,
			int64_t window_us, struct limits_result *ret, bool *ret_fetch);
void limits_local_hold(struct limits_local *l, struct pb_slice key, int64_t window_us,
		       const struct limits_held *held);
void limits_local_reset(struct limits_local *l, struct pb_slice key, int64_t window_us);

#endif
