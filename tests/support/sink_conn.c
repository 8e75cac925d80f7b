/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of patchbay-sink on one epoll. A connection handles one request after the other
 * (pipelined input waits in its buffer). A round is: read what came, decide answers, sync the
 * journal once, send.
 */
#include "sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/base.h"

#define CONN_MAGIC      0x53494e4bu
#define READ_BYTES      (64u * 1024)
#define MAX_INPUT_BYTES (SINK_BODY_BYTES + SINK_HEAD_BYTES + READ_BYTES)
/* Pieces of a generated body sent in one go before others get their turn. */
#define PIECES_PER_TURN 8
/* A buffer that a large body has blown up is not kept for the next request. */
#define KEEP_BUFFER_BYTES (64u * 1024)

enum conn_state {
	CONN_READING, /* waits for (the rest of) a request */
	CONN_HOLDING, /* the answer is made and not due yet, or will never be sent */
	CONN_SENDING, /* the answer is on its way */
};

struct sink_conn {
	uint32_t magic;
	enum conn_state state;
	int fd;
	bool wants_out;  /* epoll tells when the socket takes more */
	bool continued;  /* "100 Continue" was sent for this request */
	size_t out_done; /* bytes of `out` that were sent */
	int64_t due_us;  /* on the timers' list */
	struct pb_buf in, out;
	struct sink_answer answer;
	struct pb_list timer, dirty, ready;
};

static void unlink_if(struct pb_list *node)
{
	if (pb_list_linked(node))
		pb_list_remove(node);
}

static void conn_watch(struct sink_loop *loop, struct sink_conn *c, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};

	(void)epoll_ctl(loop->epoll_fd, op, c->fd, &ev); /* fails only for a bad fd */
}

static void conn_close(struct sink_loop *loop, struct sink_conn *c, bool reset)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

	if (reset)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(c->fd);
	unlink_if(&c->timer);
	unlink_if(&c->dirty);
	unlink_if(&c->ready);
	pb_buf_done(&c->in);
	pb_buf_done(&c->out);
	c->magic = 0;
	free(c);
	loop->n_conns--;
	if (loop->accept_paused) { /* a descriptor is free again */
		loop->accept_paused = false;
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->listen_fd, &ev);
	}
}

static void conn_mark(struct pb_list *list, struct pb_list *node)
{
	if (!pb_list_linked(node))
		pb_list_append(list, node);
}

/* Equal delays arrive in order, so looking from the end finds the place at once. */
static void conn_hold(struct sink_loop *loop, struct sink_conn *c, int64_t due_us)
{
	struct pb_list *at = loop->timers.prev;

	c->due_us = due_us;
	while (at != &loop->timers && pb_list_entry(at, struct sink_conn, timer)->due_us > due_us)
		at = at->prev;
	c->timer.prev = at;
	c->timer.next = at->next;
	at->next->prev = &c->timer;
	at->next = &c->timer;
}

int sink_conn_timeout(const struct sink_loop *loop)
{
	const struct sink_conn *first;
	int64_t left;

	if (!pb_list_empty(&loop->ready) || !pb_list_empty(&loop->dirty))
		return 0;
	if (pb_list_empty(&loop->timers))
		return -1;
	first = pb_list_entry(loop->timers.next, struct sink_conn, timer);
	left = first->due_us - pb_mono_us();
	return left <= 0 ? 0 : (int)((left + PB_USEC_PER_MSEC - 1) / PB_USEC_PER_MSEC);
}

void sink_conn_accept(struct sink_loop *loop)
{
	int one = 1, fd;
	struct sink_conn *c;

	while ((fd = accept4(loop->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = pb_new(struct sink_conn);
		c->magic = CONN_MAGIC;
		c->fd = fd;
		conn_watch(loop, c, EPOLL_CTL_ADD, EPOLLIN);
		loop->n_conns++;
	}
	if (errno == EMFILE || errno == ENFILE) {
		loop->accept_paused = true;
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->listen_fd, NULL);
	}
}

/* Every delayed answer leaves in the next round, in the order in which they were due. */
static void conn_release(struct sink_loop *loop)
{
	pb_list_foreach (node, &loop->timers)
		pb_list_entry(node, struct sink_conn, timer)->due_us = 0;
}

static bool path_is(const struct sink_request *req, const char *path)
{
	return pb_slice_eq_str(req->path, path);
}

/* The sink's own pages; they are not recorded. */
static bool conn_control(struct sink_loop *loop, struct sink_conn *c,
			 const struct sink_request *req)
{
	pb_auto_buf body = PB_BUF_INIT;
	int64_t since = 0, limit = 1000;

	if (req->path.len < 3 || memcmp(req->path.p, "/__", 3) != 0)
		return false;
	(void)sink_request_number(req, "since", INT64_MAX - 1, &since);
	(void)sink_request_number(req, "limit", INT32_MAX, &limit);
	if (path_is(req, "/__requests"))
		sink_record_list(&body, (uint64_t)since, (uint64_t)limit);
	else if (path_is(req, "/__count"))
		sink_record_count(&body);
	else if (path_is(req, "/__health"))
		pb_buf_adds(&body, "{\"status\":\"ok\"}");
	else if (path_is(req, "/__reset") && pb_slice_eq_str(req->method, "POST"))
		sink_record_reset();
	else if (path_is(req, "/__release") && pb_slice_eq_str(req->method, "POST"))
		conn_release(loop);
	else
		return false;
	c->answer = (struct sink_answer){.body = SINK_BODY_PLAIN, .close = !req->keep_alive};
	sink_answer_plain(&c->out, 200, body.len > 0 ? pb_buf_str(&body) : "{}", c->answer.close);
	return true;
}

static void conn_drop_input(struct sink_conn *c, size_t n)
{
	if (n == c->in.len && c->in.cap > KEEP_BUFFER_BYTES) {
		pb_buf_done(&c->in);
		return;
	}
	memmove(c->in.p, c->in.p + n, c->in.len - n + 1); /* the final NUL too */
	c->in.len -= n;
}

static void conn_refuse(struct sink_loop *loop, struct sink_conn *c, int status)
{
	c->answer = (struct sink_answer){.body = SINK_BODY_PLAIN, .close = true};
	sink_answer_plain(&c->out, status, "{\"error\":\"refused by patchbay-sink\"}", true);
	c->state = CONN_SENDING;
	conn_mark(&loop->dirty, &c->dirty);
}

/* Decides the answer to one complete request and when it leaves. */
static void conn_answer(struct sink_loop *loop, struct sink_conn *c, const struct sink_request *req)
{
	c->continued = false;
	if (!conn_control(loop, c, req) && !sink_answer_make(req, &c->out, &c->answer)) {
		conn_refuse(loop, c, 500);
		return;
	}
	conn_drop_input(c, req->total_bytes);
	if (c->answer.body == SINK_BODY_NONE) {
		c->state = CONN_HOLDING;
	} else if (c->answer.delay_us > 0) {
		c->state = CONN_HOLDING;
		conn_hold(loop, c, pb_mono_us() + c->answer.delay_us);
	} else {
		c->state = CONN_SENDING;
		conn_mark(&loop->dirty, &c->dirty);
	}
}

static void conn_advance(struct sink_loop *loop, struct sink_conn *c)
{
	static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct sink_request req;

	if (c->state != CONN_READING || c->in.len == 0)
		return;
	switch (sink_request_parse(c->in.p, c->in.len, &req)) {
	case SINK_BAD:
		conn_refuse(loop, c, 400);
		break;
	case SINK_MORE:
		if (req.wants_continue && !c->continued) {
			c->continued = true; /* 25 bytes fit an empty socket buffer */
			(void)send(c->fd, CONTINUE, sizeof(CONTINUE) - 1, MSG_NOSIGNAL);
		}
		break;
	case SINK_REQUEST:
		conn_answer(loop, c, &req);
		break;
	}
}

/* False when the connection is gone. */
static bool conn_read(struct sink_loop *loop, struct sink_conn *c)
{
	static char scratch[READ_BYTES];
	ssize_t n;

	do {
		n = recv(c->fd, scratch, sizeof(scratch), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ||
		    c->in.len > MAX_INPUT_BYTES) {
			conn_close(loop, c, false);
			return false;
		}
		if (n > 0)
			pb_buf_add(&c->in, scratch, (size_t)n);
	} while (n == (ssize_t)sizeof(scratch));
	return true;
}

void sink_conn_event(struct sink_loop *loop, struct sink_conn *c, uint32_t events)
{
	PB_CHECK_MAGIC(c, CONN_MAGIC);
	if (events & (EPOLLERR | EPOLLHUP)) {
		conn_close(loop, c, false);
		return;
	}
	if ((events & EPOLLIN) && !conn_read(loop, c))
		return;
	if (events & EPOLLOUT)
		conn_mark(&loop->dirty, &c->dirty);
	conn_advance(loop, c);
}

enum sent { SENT_ALL, SENT_PART, SENT_NOT };

static enum sent conn_send(struct sink_conn *c)
{
	ssize_t n;

	while (c->out_done < c->out.len) {
		n = send(c->fd, c->out.p + c->out_done, c->out.len - c->out_done, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? SENT_PART : SENT_NOT;
		c->out_done += (size_t)n;
	}
	pb_buf_clear(&c->out);
	c->out_done = 0;
	return SENT_ALL;
}

static void conn_want_out(struct sink_loop *loop, struct sink_conn *c, bool wanted)
{
	if (c->wants_out == wanted)
		return;
	c->wants_out = wanted;
	conn_watch(loop, c, EPOLL_CTL_MOD, EPOLLIN | (wanted ? EPOLLOUT : 0u));
}

/* The answer has left completely. */
static void conn_answered(struct sink_loop *loop, struct sink_conn *c)
{
	enum sink_body body = c->answer.body;

	if (c->answer.close || body == SINK_BODY_CLOSE || body == SINK_BODY_RESET) {
		conn_close(loop, c, body == SINK_BODY_RESET);
		return;
	}
	conn_want_out(loop, c, false);
	if (c->out.cap > KEEP_BUFFER_BYTES)
		pb_buf_done(&c->out);
	c->state = CONN_READING;
	if (c->in.len > 0)
		conn_mark(&loop->ready, &c->ready);
}

static void conn_flush(struct sink_loop *loop, struct sink_conn *c)
{
	for (int i = 0; i < PIECES_PER_TURN; i++) {
		enum sent sent = conn_send(c);

		if (sent == SENT_NOT) {
			conn_close(loop, c, false);
			return;
		}
		if (sent == SENT_PART)
			break;
		if (!sink_answer_more(&c->answer, &c->out)) {
			conn_answered(loop, c);
			return;
		}
		if (c->answer.body == SINK_BODY_SLOW) {
			conn_want_out(loop, c, false);
			c->state = CONN_HOLDING;
			conn_hold(loop, c, pb_mono_us() + c->answer.interval_us);
			return;
		}
	}
	conn_want_out(loop, c, true);
}

void sink_conn_round(struct sink_loop *loop)
{
	int64_t now = pb_mono_us();
	struct pb_list waiting, *node;
	bool synced;

	pb_list_init(&waiting);
	pb_list_splice(&waiting, &loop->ready);
	while ((node = pb_list_pop(&waiting)))
		conn_advance(loop, pb_list_entry(node, struct sink_conn, ready));
	while (!pb_list_empty(&loop->timers)) {
		struct sink_conn *c = pb_list_entry(loop->timers.next, struct sink_conn, timer);

		if (c->due_us > now)
			break;
		pb_list_remove(&c->timer);
		c->state = CONN_SENDING;
		conn_mark(&loop->dirty, &c->dirty);
	}
	synced = sink_record_sync();
	pb_list_splice(&waiting, &loop->dirty);
	while ((node = pb_list_pop(&waiting))) {
		struct sink_conn *c = pb_list_entry(node, struct sink_conn, dirty);

		if (synced)
			conn_flush(loop, c);
		else
			conn_close(loop, c, true); /* what is not on disk was never received */
	}
}
