/* SPDX-License-Identifier: Apache-2.0 */
/* Wakes CivetWeb's accepting thread while the server stops. For http_server alone. */
#ifndef PB_HTTP_HTTP_WAKE_H
#define PB_HTTP_HTTP_WAKE_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct http_wake {
	struct sockaddr_in address;
	pthread_t thread;
	_Atomic bool done;
};

/* Connects to the first address of @listen_on, again and again until http_wake_end. [any-thread] */
void http_wake_start(struct http_wake *w, const char *listen_on, unsigned port);
void http_wake_end(struct http_wake *w);

#endif
