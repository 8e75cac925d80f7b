/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sliding-window rate limits, counted in Redis for all hosts together. When Redis is away each host
 * counts alone (fails open to the local count), so a limit is then per host: never an outage, never
 * without any limit. No call takes longer than the cache's budget (50 ms).
 * The window slides over two fixed sub-windows: the previous one counts in proportion to its
 * overlap, so one key costs O(1) memory, and no window of any position lets through more than about
 * max plus the error of assuming an even spread in the previous one. A refused attempt is not
 * counted.
 *
 * A host counts in advance: it takes up to 1/128 of an allowance at once (256 at most) and gives them out
 * from memory until the window ends. What it holds then is lost, so a limit may be reached a portion
 * or two earlier for each host; it is never passed. Small allowances are counted one by one.
 */
#ifndef PB_LIMITS_LIMITS_H
#define PB_LIMITS_LIMITS_H

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct limits;
struct cache;

#define LIMITS_KEY_BYTES  256
#define LIMITS_LOCAL_KEYS 65536 /* local counters; past it the oldest window is forgotten */

/* @cache borrowed until limits_close, may be NULL (local only). Never fails. */
struct limits *limits_open(struct cache *cache);
void limits_close(struct limits *l);
PB_DEFINE_AUTOPTR(limits, limits_close);

enum limits_source { LIMITS_SHARED, LIMITS_LOCAL };

struct limits_result {
	bool allowed;
	int64_t remaining;      /* takes left in this window */
	int64_t retry_after_us; /* 0 when allowed; else when one more may pass (at least 1 ms) */
	int64_t reset_us;       /* until the whole allowance is there again */
	enum limits_source source;
};

/*
 * Takes one from the allowance @max per @window_us of @key, mostly from what was counted in advance.
 * Returns ret->allowed. Otherwise as limits_take_n.
 */
bool limits_take(struct limits *l, struct pb_slice key, int64_t max, int64_t window_us,
		 struct limits_result *ret);

/*
 * Nothing in advance: takes @cost from the allowance @max per @window_us of @key; 0 asks only whether
 * it is not overdrawn.
 * @key:    "scope:id", any bytes (hashed when long); it never shows in logs.
 * Errors:  none: a bad window or max is a bug. max 0 refuses all.
 * Threads: [any-thread], at most the cache's budget.
 */
void limits_take_n(struct limits *l, struct pb_slice key, int64_t max, int64_t window_us,
		   int64_t cost, struct limits_result *ret);

/*
 * For guarding logins: fails closed. Without Redis it answers PB_E_UNAVAILABLE limits.unavailable
 * (the caller refuses), unless no cache was configured at all: then the local count is the truth.
 * PB_E_LIMIT limits.exceeded with *ret filled when over the limit.
 */
enum pb_status limits_take_strict(struct limits *l, struct pb_slice key, int64_t max,
				  int64_t window_us, struct limits_result *ret,
				  struct pb_err *err) pb_must_check;

/* Forgets the count of @key (a successful login clears its failures). Best effort: what other hosts
 * hold in advance stays. */
void limits_reset(struct limits *l, struct pb_slice key, int64_t window_us);

#endif
