/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Redis connection with a deadline. hiredis is used without blocking and we poll ourselves: its own
 * timeouts count per system call, so a server that sends a byte now and then could hold us for ever.
 */
#include <hiredis/hiredis.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "cache/cache_priv.h"
#include "base/base.h"

/* Larger answers than we ever stored mean something is wrong. */
#define REPLY_ELEMENTS_MAX 64

static bool wait_for(int fd, short events, int64_t deadline_us)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int64_t left = deadline_us - pb_mono_us();
		int n = 0;

		if (left <= 0)
			return false;
		n = poll(&p, 1, (int)((left + 999) / 1000));
		if (n > 0)
			return true;
		if (n == 0 || errno != EINTR)
			return false;
	}
}

static void say(char *why, size_t n, const char *text)
{
	(void)pb_str_copy(why, n, text);
}

static bool finish_connect(redisContext *c, int64_t deadline_us)
{
	int soerr = 0, on = 1;
	socklen_t n = sizeof(soerr);

	if (!wait_for(c->fd, POLLOUT, deadline_us))
		return false;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &soerr, &n) != 0 || soerr != 0)
		return false;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return true;
}

static redisReply *read_reply(redisContext *c, int64_t deadline_us, char *why, size_t why_bytes)
{
	void *reply = NULL;

	for (;;) {
		if (redisGetReplyFromReader(c, &reply) != REDIS_OK) {
			say(why, why_bytes, "protocol error");
			return NULL;
		}
		if (reply)
			return reply;
		if (!wait_for(c->fd, POLLIN, deadline_us)) {
			say(why, why_bytes, "timeout");
			return NULL;
		}
		if (redisBufferRead(c) != REDIS_OK) {
			say(why, why_bytes, "connection lost");
			return NULL;
		}
	}
}

struct redisReply *cache_conn_command(struct redisContext *conn, size_t argc, const char **argv,
				      const size_t *lens, int64_t deadline_us, char *why,
				      size_t why_bytes)
{
	int done = 0;

	if (redisAppendCommandArgv(conn, (int)argc, argv, lens) != REDIS_OK) {
		say(why, why_bytes, "out of memory");
		return NULL;
	}
	while (!done) {
		if (redisBufferWrite(conn, &done) != REDIS_OK) {
			say(why, why_bytes, "connection lost");
			return NULL;
		}
		if (!done && !wait_for(conn->fd, POLLOUT, deadline_us)) {
			say(why, why_bytes, "timeout");
			return NULL;
		}
	}
	return read_reply(conn, deadline_us, why, why_bytes);
}

/* False when the server refused or went away. */
static bool simple_command(redisContext *c, size_t argc, const char **argv, int64_t deadline_us,
			   char *why, size_t why_bytes)
{
	size_t lens[4];
	redisReply *r = NULL;
	bool ok = false;

	for (size_t i = 0; i < argc; i++)
		lens[i] = strlen(argv[i]);
	r = cache_conn_command(c, argc, argv, lens, deadline_us, why, why_bytes);
	if (!r)
		return false;
	ok = r->type != REDIS_REPLY_ERROR;
	if (!ok)
		say(why, why_bytes, "login or database refused");
	freeReplyObject(r);
	return ok;
}

static bool log_in(redisContext *c, const struct cache_url *u, int64_t deadline_us, char *why,
		   size_t why_bytes)
{
	const char *auth[3] = {"AUTH", u->user, u->password};
	const char *auth_old[2] = {"AUTH", u->password};
	char db[16];
	const char *select[2] = {"SELECT", db};

	if (*u->user && !simple_command(c, 3, auth, deadline_us, why, why_bytes))
		return false;
	if (!*u->user && *u->password &&
	    !simple_command(c, 2, auth_old, deadline_us, why, why_bytes))
		return false;
	(void)pb_str_printf(db, sizeof(db), "%d", u->db);
	return u->db == 0 || simple_command(c, 2, select, deadline_us, why, why_bytes);
}

struct redisContext *cache_conn_open(const struct cache_url *url, int64_t deadline_us, char *why,
				     size_t why_bytes)
{
	redisContext *c = url->port ? redisConnectNonBlock(url->host, url->port)
				    : redisConnectUnixNonBlock(url->host);

	if (c && !c->err && finish_connect(c, deadline_us) &&
	    log_in(c, url, deadline_us, why, why_bytes))
		return c;
	if (!*why)
		say(why, why_bytes, "cannot connect");
	cache_conn_free(c);
	return NULL;
}

void cache_conn_free(struct redisContext *conn)
{
	if (conn)
		redisFree(conn);
}

void cache_reply_free(struct redisReply *r)
{
	if (r)
		freeReplyObject(r);
}

bool cache_reply_is_nil(const struct redisReply *r)
{
	return r->type == REDIS_REPLY_NIL;
}

bool cache_reply_is_error(const struct redisReply *r)
{
	return r->type == REDIS_REPLY_ERROR;
}

bool cache_reply_is_noscript(const struct redisReply *r)
{
	return r->type == REDIS_REPLY_ERROR && pb_str_starts(r->str, "NOSCRIPT");
}

bool cache_reply_string(const struct redisReply *r, struct pb_slice *ret)
{
	if (r->type != REDIS_REPLY_STRING)
		return false;
	*ret = pb_slice(r->str, r->len);
	return true;
}

bool cache_reply_ints(const struct redisReply *r, int64_t *ret, size_t n)
{
	if (r->type == REDIS_REPLY_INTEGER && n == 1) {
		*ret = r->integer;
		return true;
	}
	if (r->type != REDIS_REPLY_ARRAY || r->elements != n || n > REPLY_ELEMENTS_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (r->element[i]->type != REDIS_REPLY_INTEGER)
			return false;
		ret[i] = r->element[i]->integer;
	}
	return true;
}
