/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis, of which nothing is expected: every call ends within its budget (50 ms), and after a
 * failure nobody tries again for a moment (circuit breaker), so that a dead or slow Redis costs one
 * call a second and not every call. What is kept there may vanish at any time; callers have a way
 * without it.
 */
#ifndef PB_CACHE_CACHE_H
#define PB_CACHE_CACHE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define CACHE_BUDGET_US   (50 * INT64_C(1000))
#define CACHE_KEY_BYTES   512
#define CACHE_VALUE_BYTES (1024 * 1024)
#define CACHE_ARGS_MAX    32

struct cache;

struct cache_cfg {
	/* redis://[user]:password@host:port/db, redis://host:port, unix:/path?db=N; TLS is not
	 * there. */
	const char *url;
	size_t connections; /* at most this many at once; 0 = 8. All in use: PB_E_UNAVAILABLE
			       cache.busy. */
	int64_t budget_us;  /* connect + send + answer of one call; 0 = CACHE_BUDGET_US, never more
			     */
	int64_t retry_us;   /* how long the breaker stays open after a failure; 0 = 1 s */
};

/*
 * Reads the URL; connects on the first call, so it works with Redis down.
 * Owner:  *ret owned, cache_close().
 * Errors: PB_E_INVALID cache.url (the message never repeats the URL: it may hold a password).
 */
enum pb_status cache_open(const struct cache_cfg *cfg, struct cache **ret,
			  struct pb_err *err) pb_must_check;
/* Nobody may be inside a call. NULL is fine. */
void cache_close(struct cache *c);
PB_DEFINE_AUTOPTR(cache, cache_close);

/*
 * All calls below: keys and values are bytes; every stored key gets a time to live.
 * Errors:  PB_E_UNAVAILABLE cache.unavailable (down, breaker open, timeout, script failed) or
 * cache.busy; PB_E_NOT_FOUND cache.miss (get); PB_E_TOO_LARGE cache.too_large. Threads:
 * [any-thread], never longer than the budget.
 */
enum pb_status cache_get(struct cache *c, struct pb_slice key, struct pb_buf *ret_value,
			 struct pb_err *err) pb_must_check;
enum pb_status cache_set(struct cache *c, struct pb_slice key, struct pb_slice value,
			 int64_t ttl_us, struct pb_err *err) pb_must_check;
enum pb_status cache_del(struct cache *c, struct pb_slice key, struct pb_err *err) pb_must_check;
/* Sets only when absent (a short lock, single-flight); *ret_set says whether it was us. */
enum pb_status cache_set_nx(struct cache *c, struct pb_slice key, struct pb_slice value,
			    int64_t ttl_us, bool *ret_set, struct pb_err *err) pb_must_check;

/* A Lua script whose answer is an integer or a flat array of integers. Static; its SHA is made
 * once. */
struct cache_script {
	const char *lua;
	char sha[41]; /* filled by cache_script_init */
};
void cache_script_init(struct cache_script *s, const char *lua);

/*
 * Runs by EVALSHA, loads the script when the server does not know it (restart, flush).
 * @ret gets exactly @n_ret integers; another shape of answer is PB_E_INTERNAL cache.answer.
 */
enum pb_status cache_eval(struct cache *c, const struct cache_script *script,
			  const struct pb_slice *keys, size_t n_keys, const struct pb_slice *args,
			  size_t n_args, int64_t *ret, size_t n_ret,
			  struct pb_err *err) pb_must_check;

struct cache_status {
	bool up;           /* the last attempt worked */
	bool breaker_open; /* calls fail without trying */
	size_t connections;
	uint64_t calls, failures, refused;
	char last_error[128]; /* "" when there was none; holds no password */
};
void cache_status(struct cache *c, struct cache_status *ret);
/* One PING within the budget, past the breaker: for readiness. */
bool cache_ping(struct cache *c);

#endif
