/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiting of the egress thread. Curl tells which descriptors it wants to hear of; they sit in one
 * epoll set, so that the cost of an event does not depend on how many transfers are idle; curl_multi_poll
 * hands every descriptor to the kernel anew each time.
 */
#include "egress/egress_transfer.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "base/clock.h"
#include "base/base.h"

#define EVENTS 256

static uint32_t epoll_bits(int what)
{
	return (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
	       (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct egress *e = arg;
	struct epoll_event ev = {.events = epoll_bits(what), .data.fd = fd};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		/* ignoring: a closed descriptor has left the set by itself */
		(void)epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if (known && epoll_ctl(e->epoll_fd, EPOLL_CTL_MOD, fd, &ev) == 0)
		return 0;
	if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &ev) && errno == EEXIST)
		(void)epoll_ctl(e->epoll_fd, EPOLL_CTL_MOD, fd,
				&ev); /* it was there: cannot fail */
	curl_multi_assign(e->multi, fd, e);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct egress *e = arg;

	(void)multi;
	e->timer_us = timeout_ms < 0 ? INT64_MAX : pb_mono_us() + timeout_ms * PB_USEC_PER_MSEC;
	return 0;
}

void egress_loop_init(struct egress *e)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int rc;

	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	e->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ev.data.fd = e->event_fd;
	rc = epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->event_fd, &ev);
	PB_ASSERT(rc == 0);
	e->timer_us = INT64_MAX;
	curl_multi_setopt(e->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(e->multi, CURLMOPT_SOCKETDATA, e);
	curl_multi_setopt(e->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(e->multi, CURLMOPT_TIMERDATA, e);
}

void egress_loop_done(struct egress *e)
{
	close(e->epoll_fd);
	close(e->event_fd);
}

void egress_loop_wake(struct egress *e)
{
	const uint64_t one = 1;

	if (write(e->event_fd, &one, sizeof(one)) < 0)
		PB_ASSERT(errno == EAGAIN); /* the counter is full: it is awake */
}

static int wait_ms(const struct egress *e)
{
	int64_t left_us;

	if (e->timer_us == INT64_MAX)
		return -1;
	left_us = PB_MAX(e->timer_us - pb_mono_us(), INT64_C(0));
	return (int)PB_MIN((left_us + PB_USEC_PER_MSEC - 1) / PB_USEC_PER_MSEC, INT64_C(60000));
}

static void act(struct egress *e, curl_socket_t fd, int bits)
{
	int running;
	CURLMcode mc = curl_multi_socket_action(e->multi, fd, bits, &running);

	PB_ASSERT(mc == CURLM_OK || mc == CURLM_BAD_SOCKET);
}

static void on_event(struct egress *e, const struct epoll_event *ev)
{
	uint64_t n;
	int bits = 0;

	if (ev->data.fd == e->event_fd) {
		if (read(e->event_fd, &n, sizeof(n)) < 0)
			PB_ASSERT(errno == EAGAIN || errno == EINTR);
		return;
	}
	bits |= ev->events & EPOLLIN ? CURL_CSELECT_IN : 0;
	bits |= ev->events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
	bits |= ev->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_IN | CURL_CSELECT_ERR : 0;
	act(e, ev->data.fd, bits);
}

void egress_loop_once(struct egress *e)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(e->epoll_fd, ev, EVENTS, wait_ms(e));

	for (int i = 0; i < n; i++)
		on_event(e, &ev[i]);
	if (pb_mono_us() >= e->timer_us) {
		e->timer_us = INT64_MAX; /* curl sets the next one inside */
		act(e, CURL_SOCKET_TIMEOUT, 0);
	}
}
