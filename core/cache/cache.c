/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool, the breaker and the commands. A connection that failed in any way is thrown away: an answer
 * that came late would otherwise be taken for the answer to the next question.
 */
#include "cache/cache.h"

#include "base/clock.h"
#include "cache/cache_priv.h"
#include "base/base.h"

#define RETRY_US_DEFAULT PB_USEC_PER_SEC
#define CONNS_DEFAULT    8
#define MIN_TTL_US       PB_USEC_PER_MSEC

enum pb_status cache_open(const struct cache_cfg *cfg, struct cache **ret, struct pb_err *err)
{
	struct cache *c = pb_new(struct cache);

	pb_mutex_init(&c->lock, "cache", PB_LOCK_RANK(2, 60));
	c->max_conns = PB_MIN(cfg->connections ? cfg->connections : CONNS_DEFAULT,
			      (size_t)CACHE_CONNS_MAX);
	c->budget_us = cfg->budget_us ? PB_MIN(cfg->budget_us, CACHE_BUDGET_US) : CACHE_BUDGET_US;
	c->retry_us = cfg->retry_us ? cfg->retry_us : RETRY_US_DEFAULT;
	if (!cache_url_parse(cfg->url, &c->url)) {
		cache_close(c);
		return pb_err_set(err, PB_E_INVALID, "cache.url", "the Redis address is malformed");
	}
	*ret = c;
	return PB_OK;
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_idle; i++)
		cache_conn_free(c->idle[i]);
	PB_ASSERT(c->n_conns == c->n_idle);
	pb_mutex_done(&c->lock);
	explicit_bzero(c->url.password, sizeof(c->url.password));
	free(c);
}

/* ---- breaker and pool ---- */

static enum pb_status unavailable(struct pb_err *err)
{
	return pb_err_set(err, PB_E_UNAVAILABLE, "cache.unavailable", "the cache is not available");
}

/* An idle connection, or the right to make one (*ret_conn NULL). */
static enum pb_status borrow(struct cache *c, struct redisContext **ret_conn, bool past_breaker,
			     struct pb_err *err)
{
	enum pb_status st = PB_OK;

	*ret_conn = NULL;
	pb_lock(&c->lock);
	c->status.calls++;
	if (!past_breaker && pb_mono_us() < c->open_until_us) {
		c->status.refused++;
		st = unavailable(err);
	} else if (c->n_idle > 0) {
		*ret_conn = c->idle[--c->n_idle];
	} else if (c->n_conns >= c->max_conns) {
		c->status.refused++;
		st = pb_err_set(err, PB_E_UNAVAILABLE, "cache.busy",
				"all cache connections are in use");
	} else {
		c->n_conns++;
	}
	pb_unlock(&c->lock);
	return st;
}

static void give_back(struct cache *c, struct redisContext *conn)
{
	pb_lock(&c->lock);
	c->idle[c->n_idle++] = conn;
	c->status.up = true;
	c->open_until_us = 0;
	c->status.last_error[0] = 0;
	pb_unlock(&c->lock);
}

/* Trips the breaker and lets the idle ones go too: they are likely dead as well. */
static void give_up(struct cache *c, struct redisContext *conn, const char *why)
{
	struct redisContext *old[CACHE_CONNS_MAX];
	size_t n = 0;

	pb_lock(&c->lock);
	c->n_conns--;
	c->status.failures++;
	c->status.up = false;
	c->open_until_us = pb_mono_us() + c->retry_us;
	(void)pb_str_copy(c->status.last_error, sizeof(c->status.last_error), why);
	n = c->n_idle;
	for (size_t i = 0; i < n; i++)
		old[i] = c->idle[i];
	c->n_idle = 0;
	c->n_conns -= n;
	pb_unlock(&c->lock);
	for (size_t i = 0; i < n; i++)
		cache_conn_free(old[i]);
	cache_conn_free(conn);
}

enum pb_status cache_call_begin(struct cache *c, struct cache_call *call, bool past_breaker,
				struct pb_err *err)
{
	char why[128] = "";
	enum pb_status st = borrow(c, &call->conn, past_breaker, err);

	if (st != PB_OK)
		return st;
	call->cache = c;
	call->deadline_us = pb_mono_us() + c->budget_us;
	if (call->conn)
		return PB_OK;
	call->conn = cache_conn_open(&c->url, call->deadline_us, why, sizeof(why));
	if (call->conn)
		return PB_OK;
	give_up(c, NULL, why);
	return unavailable(err);
}

struct redisReply *cache_call_run(struct cache_call *call, size_t argc, const char **argv,
				  const size_t *lens)
{
	char why[128] = "";
	struct redisReply *reply = cache_conn_command(call->conn, argc, argv, lens,
						      call->deadline_us, why, sizeof(why));

	if (!reply) {
		give_up(call->cache, call->conn, why);
		call->conn = NULL;
	}
	return reply;
}

void cache_call_end(struct cache_call *call)
{
	if (call->conn)
		give_back(call->cache, call->conn);
	call->conn = NULL;
}

/* ---- commands ---- */

static enum pb_status check_sizes(struct pb_slice key, struct pb_slice value, struct pb_err *err)
{
	if (key.len == 0 || key.len > CACHE_KEY_BYTES || value.len > CACHE_VALUE_BYTES)
		return pb_err_set(err, PB_E_TOO_LARGE, "cache.too_large",
				  "the key or value is too large for the cache");
	return PB_OK;
}

/* One command with @n arguments. *ret must be freed with cache_reply_free. */
static enum pb_status one(struct cache *c, const struct pb_slice *args, size_t n,
			  struct redisReply **ret, struct pb_err *err)
{
	const char *argv[8];
	size_t lens[8];
	struct cache_call call = {0};
	enum pb_status st = PB_OK;

	PB_ASSERT(n <= PB_ARRAY_LEN(argv));
	for (size_t i = 0; i < n; i++) {
		argv[i] = args[i].p ? args[i].p : "";
		lens[i] = args[i].len;
	}
	st = cache_call_begin(c, &call, false, err);
	if (st != PB_OK)
		return st;
	*ret = cache_call_run(&call, n, argv, lens);
	cache_call_end(&call);
	return *ret ? PB_OK : unavailable(err);
}

enum pb_status cache_get(struct cache *c, struct pb_slice key, struct pb_buf *ret_value,
			 struct pb_err *err)
{
	const struct pb_slice args[] = {PB_SLICE("GET"), key};
	struct redisReply *r = NULL;
	struct pb_slice v = {NULL, 0};
	enum pb_status st = check_sizes(key, pb_slice(NULL, 0), err);

	st = st ? st : one(c, args, 2, &r, err);
	if (st != PB_OK)
		return st;
	if (cache_reply_is_nil(r))
		st = pb_err_set(err, PB_E_NOT_FOUND, "cache.miss", "not in the cache");
	else if (!cache_reply_string(r, &v))
		st = unavailable(err);
	else if (v.len > CACHE_VALUE_BYTES || !pb_buf_add(ret_value, v.p, v.len))
		st = pb_err_set(err, PB_E_TOO_LARGE, "cache.too_large",
				"the cached value is too large");
	cache_reply_free(r);
	return st;
}

static enum pb_status store(struct cache *c, struct pb_slice key, struct pb_slice value,
			    int64_t ttl_us, bool only_new, bool *ret_set, struct pb_err *err)
{
	char ms[24];
	struct pb_slice args[] = {PB_SLICE("SET"), key,     value,
				  PB_SLICE("PX"),  {ms, 0}, PB_SLICE("NX")};
	struct redisReply *r = NULL;
	enum pb_status st = check_sizes(key, value, err);

	PB_ASSERT(ttl_us > 0);
	(void)pb_str_printf(ms, sizeof(ms), "%lld",
			    (long long)(PB_MAX(ttl_us, MIN_TTL_US) / PB_USEC_PER_MSEC));
	args[4].len = strlen(ms);
	st = st ? st : one(c, args, only_new ? 6 : 5, &r, err);
	if (st != PB_OK)
		return st;
	if (cache_reply_is_error(r))
		st = unavailable(err);
	else
		*ret_set = !cache_reply_is_nil(r);
	cache_reply_free(r);
	return st;
}

enum pb_status cache_set(struct cache *c, struct pb_slice key, struct pb_slice value,
			 int64_t ttl_us, struct pb_err *err)
{
	bool set = false;

	return store(c, key, value, ttl_us, false, &set, err);
}

enum pb_status cache_set_nx(struct cache *c, struct pb_slice key, struct pb_slice value,
			    int64_t ttl_us, bool *ret_set, struct pb_err *err)
{
	return store(c, key, value, ttl_us, true, ret_set, err);
}

enum pb_status cache_del(struct cache *c, struct pb_slice key, struct pb_err *err)
{
	const struct pb_slice args[] = {PB_SLICE("DEL"), key};
	struct redisReply *r = NULL;
	enum pb_status st = check_sizes(key, pb_slice(NULL, 0), err);

	st = st ? st : one(c, args, 2, &r, err);
	if (st == PB_OK && cache_reply_is_error(r))
		st = unavailable(err);
	cache_reply_free(r);
	return st;
}

void cache_status(struct cache *c, struct cache_status *ret)
{
	pb_lock(&c->lock);
	*ret = c->status;
	ret->breaker_open = pb_mono_us() < c->open_until_us;
	ret->connections = c->n_conns;
	pb_unlock(&c->lock);
}

bool cache_ping(struct cache *c)
{
	const char *argv[] = {"PING"};
	const size_t lens[] = {4};
	struct cache_call call = {0};
	struct redisReply *r = NULL;
	bool ok = false;

	if (cache_call_begin(c, &call, true, NULL) != PB_OK)
		return false;
	r = cache_call_run(&call, 1, argv, lens);
	ok = r && !cache_reply_is_error(r);
	cache_call_end(&call);
	cache_reply_free(r);
	return ok;
}
