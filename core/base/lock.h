/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only mutex and condition variable. Each mutex has a name and a rank; a thread takes locks in
 * strictly rising rank. Builds with PB_LOCK_DEBUG check the order and "held" and abort with both
 * names. Never hold a lock across SQL, Redis, NATS, curl or a callback.
 */
#ifndef PB_BASE_LOCK_H
#define PB_BASE_LOCK_H

#include <pthread.h>
#include "base/macro.h"

#if defined(__clang__)
#define PB_CAPABILITY    __attribute__((capability("mutex")))
#define PB_ACQUIRES(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define PB_RELEASES(...) __attribute__((release_capability(__VA_ARGS__)))
#define PB_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define PB_NO_ANALYSIS   __attribute__((no_thread_safety_analysis))
#else
#define PB_CAPABILITY
#define PB_ACQUIRES(...)
#define PB_RELEASES(...)
#define PB_REQUIRES(...)
#define PB_NO_ANALYSIS
#endif

/* Ranks by floor (floor * 100 + n), so that an upper module may call down while holding its lock.
 * Lower floors are taken later, therefore their rank is HIGHER: rank = 1000 - floor * 100 + n. */
#define PB_LOCK_RANK(floor, n) (1000 - (floor)*100 + (n))

struct PB_CAPABILITY pb_mutex {
	pthread_mutex_t m;
	const char *name;
	int rank;
	pthread_t owner; /* debug builds */
	bool held;       /* debug builds */
	struct pb_mutex *below;
};

void pb_mutex_init(struct pb_mutex *m, const char *name, int rank);
void pb_mutex_done(struct pb_mutex *m);
void pb_lock(struct pb_mutex *m) PB_ACQUIRES(*m);
void pb_unlock(struct pb_mutex *m) PB_RELEASES(*m);
void pb_assert_held(struct pb_mutex *m) PB_REQUIRES(*m);

struct pb_cond {
	pthread_cond_t c; /* CLOCK_MONOTONIC */
};

void pb_cond_init(struct pb_cond *c);
void pb_cond_done(struct pb_cond *c);
void pb_cond_wait(struct pb_cond *c, struct pb_mutex *m) PB_REQUIRES(*m);
/* False when @deadline_us (pb_mono_us) passed; INT64_MAX waits for ever. */
bool pb_cond_wait_until(struct pb_cond *c, struct pb_mutex *m, int64_t deadline_us) PB_REQUIRES(*m);
void pb_cond_signal(struct pb_cond *c);
void pb_cond_broadcast(struct pb_cond *c);

/* Starts a named thread (15 characters) with all signals blocked. Aborts when the system refuses.
 */
typedef void *pb_thread_fn(void *arg);
pthread_t pb_thread_start(const char *name, size_t stack_bytes, pb_thread_fn *fn, void *arg);
void pb_thread_join(pthread_t t);

#endif
