/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of cache: shared by its .c files, included by nobody else. */
#ifndef PB_CACHE_CACHE_PRIV_H
#define PB_CACHE_CACHE_PRIV_H

#include "base/lock.h"
#include "cache/cache.h"

struct redisContext;
struct redisReply;

#define CACHE_CONNS_MAX 64

struct cache_url {
	char host[256]; /* or the path of a Unix socket */
	int port;       /* 0 = Unix socket */
	char user[64], password[256];
	int db;
};

/* Invariant: n_idle <= n_conns <= max_conns; n_conns counts the ones in use too. */
struct cache {
	struct pb_mutex lock;
	struct cache_url url;
	size_t max_conns, n_conns, n_idle;
	struct redisContext *idle[CACHE_CONNS_MAX];
	int64_t budget_us, retry_us, open_until_us;
	struct cache_status status;
};

/* One call: a connection on loan and the end of its time. After a failure conn is NULL. */
struct cache_call {
	struct cache *cache;
	struct redisContext *conn;
	int64_t deadline_us;
};

bool cache_url_parse(const char *url, struct cache_url *ret) pb_must_check;

enum pb_status cache_call_begin(struct cache *c, struct cache_call *call, bool past_breaker,
				struct pb_err *err) pb_must_check;
struct redisReply *cache_call_run(struct cache_call *call, size_t argc, const char **argv,
				  const size_t *lens);
void cache_call_end(struct cache_call *call);

/* ---- cache_conn.c: the only file that knows hiredis ---- */
struct redisContext *cache_conn_open(const struct cache_url *url, int64_t deadline_us, char *why,
				     size_t why_bytes);
void cache_conn_free(struct redisContext *conn);
/* NULL when the connection is no longer usable. An error reply of the server is a reply. */
struct redisReply *cache_conn_command(struct redisContext *conn, size_t argc, const char **argv,
				      const size_t *lens, int64_t deadline_us, char *why,
				      size_t why_bytes);
void cache_reply_free(struct redisReply *r);
bool cache_reply_is_nil(const struct redisReply *r);
bool cache_reply_is_error(const struct redisReply *r);
bool cache_reply_is_noscript(const struct redisReply *r);
bool cache_reply_string(const struct redisReply *r, struct pb_slice *ret);
/* An integer (n 1) or an array of exactly @n integers. */
bool cache_reply_ints(const struct redisReply *r, int64_t *ret, size_t n);

#endif
