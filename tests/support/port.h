/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port for a server that a test starts later, stops and starts again. It stays bound, without listening, until
 * this program ends: nobody else gets it meanwhile, neither as a server nor as the near end of a connection, and
 * a server that sets SO_REUSEADDR (all do) may still listen on it. Include after check.h.
 */
#ifndef PB_TESTS_SUPPORT_PORT_H
#define PB_TESTS_SUPPORT_PORT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static inline unsigned port_reserve(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	return ntohs(a.sin_port);
}

#endif
