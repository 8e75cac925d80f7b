/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small real HTTP/1.1 server inside the test process, for the behaviours no sane server has: one thread
 * accepts, one thread a connection answers by path. It keeps what it was asked, so that tests can say
 * what really left the host. Header only, because a unit test is one source file.
 */
#ifndef PB_TESTS_MINI_HTTP_H
#define PB_TESTS_MINI_HTTP_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/parse.h"
#include "base/base.h"

#define MINI_REQUESTS 4096
#define MINI_CONNS    4096

struct mini_http {
	int listener, stop_pipe[2];
	uint16_t port;
	pthread_t acceptor;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	char *requests[MINI_REQUESTS]; /* head and body */
	size_t n_requests;
	int conns[MINI_CONNS];
	pthread_t threads[MINI_CONNS];
	size_t n_conns;
};

static bool mini_send(int fd, const void *p, size_t n)
{
	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w <= 0)
			return false;
		p = (const char *)p + w;
		n -= (size_t)w;
	}
	return true;
}

static bool mini_puts(int fd, const char *s)
{
	return mini_send(fd, s, strlen(s));
}

/* True when the server stops or the client hangs up before @ms have passed. */
static bool mini_pause(struct mini_http *s, int fd, int ms)
{
	struct pollfd p[2] = {{.fd = s->stop_pipe[0], .events = POLLIN},
			      {.fd = fd, .events = POLLRDHUP}};

	return poll(p, 2, ms) != 0;
}

/* Deflate by hand: fixed Huffman, a zero and then matches of 258 at distance 1: 13 bytes a 2064. */
static size_t mini_bomb(uint8_t *out, size_t cap)
{
	static const uint8_t head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
	uint64_t acc = 0;
	int bits = 0;
	size_t n = sizeof(head);
	const char *start = "110"
			    "00110000"; /* final, fixed (low bit first), literal 0 */

	memcpy(out, head, sizeof(head));
	for (const char *c = start; *c; c++)
		acc |= (uint64_t)(*c == '1') << bits++;
	while (n + 16 < cap) {
		const char *match = "1100010100000"; /* length 258, distance 1 */

		for (const char *c = match; *c; c++)
			acc |= (uint64_t)(*c == '1') << bits++;
		for (; bits >= 8; bits -= 8, acc >>= 8)
			out[n++] = (uint8_t)acc;
	}
	return n;
}

static void mini_answer_bomb(int fd)
{
	size_t cap = 1 << 20;
	pb_autofree uint8_t *bomb = pb_xcalloc(1, cap);
	size_t n = mini_bomb(bomb, cap);
	char head[160];

	(void)pb_str_printf(
		head, sizeof(head),
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n);
	if (mini_puts(fd, head))
		(void)mini_send(fd, bomb, n);
}

static void mini_endless(int fd, const char *head, const char *piece)
{
	bool ok = mini_puts(fd, head);

	while (ok)
		ok = mini_puts(fd, piece);
}

/* The value of query parameter @name in the request line, copied. */
static bool mini_query(const char *line, const char *name, char *out, size_t cap)
{
	const char *at = strstr(line, name);
	size_t n;

	if (!at)
		return false;
	at += strlen(name);
	n = strcspn(at, "& \r\n");
	if (n >= cap)
		return false;
	memcpy(out, at, n);
	out[n] = 0;
	return true;
}

static bool mini_redirect(int fd, const char *req)
{
	char to[1024] = "/ok", status[8] = "302", text[1400];

	(void)mini_query(req, "status=", status, sizeof(status));
	(void)mini_query(req, "to=", to, sizeof(to));
	(void)pb_str_printf(text, sizeof(text),
			    "HTTP/1.1 %s Moved\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nmoved",
			    status, to);
	return mini_puts(fd, text);
}

static bool mini_echo(int fd, const char *req)
{
	char head[160];

	(void)pb_str_printf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
			    strlen(req));
	return mini_puts(fd, head) && mini_puts(fd, req);
}

static bool mini_drip(struct mini_http *s, int fd)
{
	bool ok = mini_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");

	while (ok && !mini_pause(s, fd, 20))
		ok = mini_send(fd, "x", 1);
	return false;
}

static bool mini_path(const char *req, const char *path)
{
	const char *sp = strchr(req, ' ');

	return sp && pb_str_starts(sp + 1, path) && strchr(" ?/", sp[1 + strlen(path)]);
}

/* False ends the connection. */
static bool mini_answer(struct mini_http *s, int fd, const char *req)
{
	if (mini_path(req, "/redirect"))
		return mini_redirect(fd, req);
	if (mini_path(req, "/echo"))
		return mini_echo(fd, req);
	if (mini_path(req, "/nul"))
		return mini_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\0b", 42);
	if (mini_path(req, "/limited"))
		return mini_puts(fd,
				 "HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
	if (mini_path(req, "/slow"))
		return !mini_pause(s, fd, 200) &&
		       mini_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	if (mini_path(req, "/drip"))
		return mini_drip(s, fd);
	if (mini_path(req, "/hang"))
		return !mini_pause(s, fd, 60000) && false;
	if (mini_path(req, "/close"))
		return false;
	if (mini_path(req, "/huge")) {
		mini_endless(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n",
			     "0123456789abcdef");
		return false;
	}
	if (mini_path(req, "/endless")) {
		mini_endless(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
			     "10\r\n0123456789abcdef\r\n");
		return false;
	}
	if (mini_path(req, "/headers")) {
		mini_endless(fd, "HTTP/1.1 200 OK\r\n", "X-Many: 1\r\n");
		return false;
	}
	if (mini_path(req, "/interim")) {
		mini_endless(fd, "HTTP/1.1 100 Continue\r\n\r\n",
			     "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n");
		return false;
	}
	if (mini_path(req, "/bomb")) {
		mini_answer_bomb(fd);
		return false;
	}
	if (mini_path(req, "/garbage"))
		return mini_puts(fd, "\x01\x02\x03 not http at all\r\n\r\n") && false;
	if (mini_path(req, "/truncate"))
		return mini_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this") &&
		       false;
	if (mini_path(req, "/old"))
		return mini_puts(fd, "hello from 1991\n") && false;
	if (mini_path(req, "/split"))
		return mini_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: "
				     "50\r\n\r\nhello") &&
		       false;
	return mini_puts(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One: 1\r\n\r\nhello");
}

static void mini_record(struct mini_http *s, const char *req)
{
	pthread_mutex_lock(&s->lock);
	if (s->n_requests < MINI_REQUESTS)
		s->requests[s->n_requests++] = pb_xstrdup(req);
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

static size_t mini_length(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");
	uint64_t n = 0;

	if (!at)
		return 0;
	at += 17;
	at += strspn(at, " ");
	return pb_parse_u64(at, strcspn(at, "\r"), 1 << 30, &n) ? (size_t)n : 0;
}

struct mini_conn {
	struct mini_http *server;
	int fd;
};

/* Reads one request into @b; false at the end of the connection. */
static bool mini_read(int fd, struct pb_buf *b)
{
	char piece[8192];
	size_t want = SIZE_MAX;

	pb_buf_clear(b);
	while (b->len < want) {
		ssize_t n = recv(fd, piece, sizeof(piece), 0);
		const char *end;

		if (n <= 0 || !pb_buf_add(b, piece, (size_t)n))
			return false;
		end = strstr(pb_buf_str(b), "\r\n\r\n");
		if (end && want == SIZE_MAX)
			want = (size_t)(end + 4 - b->p) + mini_length(b->p);
	}
	return true;
}

static void *mini_serve(void *arg)
{
	struct mini_conn *c = arg;
	pb_auto_buf req = PB_BUF_INIT;
	bool more = true;

	while (more && mini_read(c->fd, &req)) {
		mini_record(c->server, req.p);
		more = mini_answer(c->server, c->fd, req.p);
	}
	(void)shutdown(c->fd, SHUT_RDWR);
	free(c);
	return NULL;
}

static void mini_add(struct mini_http *s, int fd)
{
	struct mini_conn *c = pb_new(struct mini_conn);
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	PB_ASSERT(s->n_conns < MINI_CONNS);
	*c = (struct mini_conn){s, fd};
	pthread_mutex_lock(&s->lock);
	s->conns[s->n_conns] = fd;
	s->threads[s->n_conns++] = pb_thread_start("mini-conn", 128 * 1024, mini_serve, c);
	pthread_mutex_unlock(&s->lock);
}

static void *mini_accept(void *arg)
{
	struct mini_http *s = arg;
	struct pollfd p[2] = {{.fd = s->stop_pipe[0], .events = POLLIN},
			      {.fd = s->listener, .events = POLLIN}};

	while (poll(p, 2, -1) >= 0 && !(p[0].revents & POLLIN)) {
		int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			mini_add(s, fd);
	}
	return NULL;
}

static pb_unused struct mini_http *mini_start_on(const char *ip)
{
	struct mini_http *s = pb_new(struct mini_http);
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof(a);

	PB_ASSERT(inet_pton(AF_INET, ip, &a.sin_addr) == 1);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	PB_ASSERT(bind(s->listener, (struct sockaddr *)&a, sizeof(a)) == 0);
	PB_ASSERT(listen(s->listener, 4096) == 0);
	PB_ASSERT(getsockname(s->listener, (struct sockaddr *)&a, &n) == 0);
	PB_ASSERT(pipe2(s->stop_pipe, O_CLOEXEC) == 0);
	s->port = ntohs(a.sin_port);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->cond, NULL);
	s->acceptor = pb_thread_start("mini-accept", 128 * 1024, mini_accept, s);
	return s;
}

static pb_unused struct mini_http *mini_start(void)
{
	return mini_start_on("127.0.0.1");
}

static pb_unused void mini_stop(struct mini_http *s)
{
	PB_ASSERT(write(s->stop_pipe[1], "x", 1) == 1);
	pb_thread_join(s->acceptor);
	for (size_t i = 0; i < s->n_conns; i++)
		(void)shutdown(s->conns[i], SHUT_RDWR);
	for (size_t i = 0; i < s->n_conns; i++) {
		pb_thread_join(s->threads[i]);
		close(s->conns[i]);
	}
	for (size_t i = 0; i < s->n_requests; i++)
		free(s->requests[i]);
	close(s->listener);
	close(s->stop_pipe[0]);
	close(s->stop_pipe[1]);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->cond);
	free(s);
}

static pb_unused size_t mini_count(struct mini_http *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->n_requests;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* Waits until @n requests have arrived. */
static pb_unused void mini_await(struct mini_http *s, size_t n)
{
	pthread_mutex_lock(&s->lock);
	while (s->n_requests < n)
		pthread_cond_wait(&s->cond, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static pb_unused const char *mini_request(struct mini_http *s, size_t i)
{
	const char *r;

	pthread_mutex_lock(&s->lock);
	r = i < s->n_requests ? s->requests[i] : "";
	pthread_mutex_unlock(&s->lock);
	return r;
}

#endif
