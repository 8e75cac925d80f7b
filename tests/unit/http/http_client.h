/* SPDX-License-Identifier: Apache-2.0 */
/* A raw client for the tests of http: sends exactly the bytes it is given, reads until a limit of time. */
#ifndef PB_TESTS_UNIT_HTTP_CLIENT_H
#define PB_TESTS_UNIT_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

/* For whatever must happen: a machine may be busy, and what never happens is noticed all the same. */
#define CLIENT_WAIT_US (20 * PB_USEC_PER_SEC)

static inline int client_connect_from(unsigned port, const char *from)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in b = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	if (from) {
		inet_pton(AF_INET, from, &b.sin_addr);
		if (bind(fd, (struct sockaddr *)&b, sizeof(b)) != 0)
			abort();
	}
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline int client_connect(unsigned port)
{
	return client_connect_from(port, NULL);
}

static inline bool client_send(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t w = send(fd, at, n, MSG_NOSIGNAL);

		if (w <= 0)
			return false;
		at += w;
		n -= (size_t)w;
	}
	return true;
}

static inline bool client_say(int fd, const char *text)
{
	return client_send(fd, text, strlen(text));
}

/* The length of the first complete answer in @p, 0 when it is not complete. */
static inline size_t client_answer_len(const char *p, size_t n)
{
	const char *end = n ? strstr(p, "\r\n\r\n") : NULL;
	const char *cl = n ? strcasestr(p, "\r\nContent-Length: ") : NULL;
	size_t head = end ? (size_t)(end - p) + 4 : 0;
	size_t body = 0;

	if (!end)
		return 0;
	if (cl && cl < end)
		for (cl += 18; *cl >= '0' && *cl <= '9'; cl++)
			body = body * 10 + (size_t)(*cl - '0');
	return head + body <= n ? head + body : 0;
}

/* Reads until one answer is complete (in @b, which may hold more), the end, or the time is over.
 * Returns 1 answer, 0 closed before, -1 time. */
static inline int client_read(int fd, struct pb_buf *b, int64_t timeout_us)
{
	int64_t deadline = pb_mono_us() + timeout_us;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - pb_mono_us();
		ssize_t n = 0;

		if (client_answer_len(b->p ? b->p : "", b->len))
			return 1;
		if (left <= 0 || poll(&p, 1, (int)(left / 1000) + 1) <= 0)
			return -1;
		if (!pb_buf_reserve(b, 65536))
			abort();
		n = recv(fd, b->p + b->len, 65536, 0);
		if (n <= 0)
			return 0;
		b->len += (size_t)n;
		b->p[b->len] = 0;
	}
}

/* True when the peer closes within the time, what comes is thrown away. */
static inline bool client_closed(int fd, int64_t timeout_us)
{
	int64_t deadline = pb_mono_us() + timeout_us;
	char buf[4096];

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - pb_mono_us();

		if (left <= 0 || poll(&p, 1, (int)(left / 1000) + 1) <= 0)
			return false;
		if (recv(fd, buf, sizeof(buf), 0) <= 0)
			return true;
	}
}

static inline int client_status(const struct pb_buf *b)
{
	int status = 0;

	if (b->len < 12 || memcmp(b->p, "HTTP/1.1 ", 9) != 0)
		return -1;
	for (int i = 9; i < 12; i++)
		status = status * 10 + (b->p[i] - '0');
	return status;
}

#endif
