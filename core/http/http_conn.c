/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of open connections: how many an address has, and since when each one waits for its peer.
 * CivetWeb hides its sockets, so a stuck one is found by asking every descriptor of the process for its
 * peer. That is slow, and rare: only at a deadline or over a limit. It is safe because the worker must
 * take our lock to leave the wait, so the descriptor cannot be closed and reused under our hands.
 */
#include "http/http_priv.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/base.h"

/* Deadlines are kept to this precision. */
#define TICK_US (100 * PB_USEC_PER_MSEC)
/* How long a peer may keep us waiting while others wait for a worker. */
#define PATIENCE_US (250 * PB_USEC_PER_MSEC)

static bool socket_is(int fd, const struct http_conn *c)
{
	struct sockaddr_in peer = {0}, here = {0};
	socklen_t peer_n = sizeof(peer), here_n = sizeof(here);
	char ip[INET_ADDRSTRLEN];

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_n) != 0 || peer.sin_family != AF_INET ||
	    ntohs(peer.sin_port) != c->remote_port)
		return false;
	if (getsockname(fd, (struct sockaddr *)&here, &here_n) != 0 ||
	    ntohs(here.sin_port) != c->local_port)
		return false;
	return inet_ntop(AF_INET, &peer.sin_addr, ip, sizeof(ip)) && strcmp(ip, c->ip) == 0;
}

/* One look at all descriptors serves all connections that are to end. */
static void shut_down_ending(struct http_conns *c)
{
	DIR *d = opendir("/proc/self/fd");

	if (!d)
		return;
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		int64_t fd = -1;

		if (!pb_parse_i64(e->d_name, strlen(e->d_name), 0, INT32_MAX, &fd))
			continue;
		pb_list_foreach (it, &c->all) {
			struct http_conn *conn = pb_list_entry(it, struct http_conn, link);

			if (conn->ending == HTTP_WATCH_NONE || !socket_is((int)fd, conn))
				continue;
			(void)shutdown((int)fd,
				       conn->ending == HTTP_WATCH_CLOSE ? SHUT_RDWR : SHUT_RD);
			conn->ending = HTTP_WATCH_NONE;
			break;
		}
	}
	(void)closedir(d);
}

/* True when it has waited long enough: for its deadline, or for us when others have no worker. */
static bool is_over(const struct http_conn *conn, int64_t now_us, bool crowded)
{
	if (conn->watch == HTTP_WATCH_NONE)
		return false;
	if (conn->deadline_us <= now_us || (crowded && conn->watch == HTTP_WATCH_IDLE))
		return true;
	return crowded && now_us - conn->since_us >= PATIENCE_US;
}

static void end_overdue(struct http_conns *c, int64_t now_us)
{
	bool crowded = c->n >= c->workers, any = false;

	pb_list_foreach (it, &c->all) {
		struct http_conn *conn = pb_list_entry(it, struct http_conn, link);

		if (!is_over(conn, now_us, crowded))
			continue;
		conn->ending = conn->watch;
		conn->watch = HTTP_WATCH_NONE;
		conn->timed_out = true;
		atomic_fetch_add(&c->timeouts, 1);
		any = true;
	}
	if (any)
		shut_down_ending(c);
}

static void *watchdog_main(void *arg)
{
	struct http_conns *c = arg;

	pb_lock(&c->lock);
	while (!c->stopping) {
		int64_t until = c->n ? pb_mono_us() + TICK_US : INT64_MAX;

		(void)pb_cond_wait_until(&c->wake, &c->lock, until);
		end_overdue(c, pb_mono_us());
	}
	pb_unlock(&c->lock);
	return NULL;
}

void http_conns_start(struct http_conns *c, unsigned max_per_ip, unsigned workers,
		      const struct http_nets *uncounted)
{
	pb_mutex_init(&c->lock, "http.conns", PB_LOCK_RANK(2, 20));
	pb_cond_init(&c->wake);
	pb_list_init(&c->all);
	c->max_per_ip = max_per_ip;
	c->workers = workers;
	c->uncounted = uncounted;
	c->thread = pb_thread_start("http-watch", 128 * 1024, watchdog_main, c);
}

void http_conns_stop(struct http_conns *c)
{
	pb_lock(&c->lock);
	c->stopping = true;
	pb_cond_signal(&c->wake);
	pb_unlock(&c->lock);
	pb_thread_join(c->thread);
	pb_cond_done(&c->wake);
	pb_mutex_done(&c->lock);
}

static unsigned count_ip(const struct http_conns *c, const char *ip)
{
	unsigned n = 0;

	for (const struct pb_list *it = c->all.next; it != &c->all; it = it->next) {
		const struct http_conn *conn =
			(const struct http_conn *)(const void *)((const char *)it -
								 offsetof(struct http_conn, link));

		n += conn->counted && strcmp(conn->ip, ip) == 0;
	}
	return n;
}

struct http_conn *http_conn_open(struct http_conns *c, const struct mg_connection *mg,
				 const char *ip, int remote_port, int local_port,
				 int64_t deadline_us)
{
	struct http_conn *conn = pb_new(struct http_conn);

	conn->magic = HTTP_CONN_MAGIC;
	conn->owner = c;
	conn->mg = mg;
	(void)pb_str_copy(conn->ip, sizeof(conn->ip), ip);
	conn->remote_port = remote_port;
	conn->local_port = local_port;
	conn->watch = HTTP_WATCH_CLOSE;
	conn->since_us = pb_mono_us();
	conn->deadline_us = deadline_us;
	conn->counted = !http_nets_hold(c->uncounted, ip);
	pb_lock(&c->lock);
	if (*ip && conn->counted && count_ip(c, ip) >= c->max_per_ip) {
		conn->counted = false;
		conn->watch = HTTP_WATCH_NONE;
		conn->refused = true;
		conn->ending = HTTP_WATCH_CLOSE;
		atomic_fetch_add(&c->refused, 1);
	}
	pb_list_append(&c->all, &conn->link);
	if (conn->refused)
		shut_down_ending(c);
	if (c->n++ == 0)
		pb_cond_signal(&c->wake);
	pb_unlock(&c->lock);
	return conn;
}

void http_conn_address(struct http_conn *conn, const char *ip, int remote_port, int local_port)
{
	pb_lock(&conn->owner->lock);
	if (conn->remote_port == 0) {
		(void)pb_str_copy(conn->ip, sizeof(conn->ip), ip);
		conn->remote_port = remote_port;
		conn->local_port = local_port;
		conn->counted = !http_nets_hold(conn->owner->uncounted, ip);
	}
	pb_unlock(&conn->owner->lock);
}

void http_conn_close(struct http_conns *c, const struct mg_connection *mg)
{
	struct http_conn *found = NULL;

	pb_lock(&c->lock);
	pb_list_foreach (it, &c->all) {
		struct http_conn *conn = pb_list_entry(it, struct http_conn, link);

		if (conn->mg == mg)
			found = conn;
	}
	if (found) {
		pb_list_remove(&found->link);
		c->n--;
	}
	pb_unlock(&c->lock);
	free(found);
}

bool http_conn_refused(struct http_conn *conn)
{
	return conn->refused; /* set before anybody else sees it, never changed */
}

void http_conn_watch(struct http_conn *conn, enum http_watch watch, int64_t deadline_us)
{
	pb_lock(&conn->owner->lock);
	conn->watch = watch;
	conn->ending = HTTP_WATCH_NONE;
	conn->since_us = pb_mono_us();
	conn->deadline_us = deadline_us;
	conn->timed_out = false;
	pb_unlock(&conn->owner->lock);
}

bool http_conn_timed_out(struct http_conn *conn)
{
	bool was = false;

	pb_lock(&conn->owner->lock);
	was = conn->timed_out;
	pb_unlock(&conn->owner->lock);
	return was;
}

bool http_conns_crowded(struct http_conns *c)
{
	bool crowded = false;

	pb_lock(&c->lock);
	crowded = c->n >= c->workers;
	pb_unlock(&c->lock);
	return crowded;
}
