/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends the wait of CivetWeb's accepting thread when the server stops: it sleeps in poll() for up to two
 * seconds before it looks at the stop flag, and only a connection wakes it. The surprising thing: one is
 * not enough, since the first may arrive before mg_stop has raised the flag.
 */
#include "http/http_wake.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/base.h"

#define WAKE_STEP_US (2 * PB_USEC_PER_MSEC)

/* The first address of "127.0.0.1:8080,0.0.0.0:8081" or "8080"; the any-address reaches this machine. */
static void first_address(const char *listen_on, unsigned port, struct sockaddr_in *ret)
{
	char text[INET_ADDRSTRLEN] = "";
	size_t n = strcspn(listen_on, ":,");

	*ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	if (n < sizeof(text) && listen_on[n] == ':') {
		memcpy(text, listen_on, n);
		if (inet_pton(AF_INET, text, &ret->sin_addr) == 1)
			return;
	}
	ret->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void *wake_main(void *arg)
{
	struct http_wake *w = arg;
	struct timespec step = pb_timespec(WAKE_STEP_US);

	while (!atomic_load(&w->done)) {
		pb_autoclose int fd =
			socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		/* refused when the port is closed by now: then there is nobody left to wake */
		if (fd >= 0)
			(void)connect(fd, (const struct sockaddr *)&w->address, sizeof(w->address));
		(void)nanosleep(&step, NULL);
	}
	return NULL;
}

void http_wake_start(struct http_wake *w, const char *listen_on, unsigned port)
{
	first_address(listen_on, port, &w->address);
	atomic_store(&w->done, false);
	w->thread = pb_thread_start("http-wake", 64 * 1024, wake_main, w);
}

void http_wake_end(struct http_wake *w)
{
	atomic_store(&w->done, true);
	pb_thread_join(w->thread);
}
