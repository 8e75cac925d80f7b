/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patchbay-sink: the upstream of tests, of bench and of the demo. A small real HTTP/1.1 server on
 * one epoll thread that records every request and answers as the request itself asks (README.md
 * beside this file). Surprising: nothing is answered before it is in the journal; one fdatasync
 * serves all requests of a round.
 */
#ifndef PB_TESTS_SUPPORT_SINK_H
#define PB_TESTS_SUPPORT_SINK_H

#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"

#define SINK_HEAD_BYTES  (64u * 1024)
#define SINK_BODY_BYTES  (64u * 1024 * 1024)
#define SINK_MAX_HEADERS 64

/* ---- one request, as slices of the connection's buffer (sink_request.c) ---- */

struct sink_header {
	struct pb_slice name, value;
};

struct sink_request {
	struct pb_slice method, target, path, query;
	struct pb_slice modes; /* the first path segment without its '~', or empty */
	struct pb_slice key;   /* Idempotency-Key, or empty */
	struct pb_slice body;  /* without its chunks */
	struct sink_header headers[SINK_MAX_HEADERS];
	size_t n_headers;
	size_t total_bytes; /* of the buffer that belong to this request */
	bool keep_alive, is_json, wants_continue;
};

enum sink_parse {
	SINK_MORE, /* not complete; wants_continue says whether the client waits for "100 Continue"
		    */
	SINK_REQUEST, /* complete */
	SINK_BAD,     /* not HTTP that this server takes */
};

/* Reads one request from the front of @p. A complete chunked body is put together in place. */
enum sink_parse sink_request_parse(char *p, size_t n, struct sink_request *ret);
/* The percent-decoded value of a query or mode parameter. False when absent or longer than the
 * buffer. */
bool sink_request_param(const struct sink_request *req, const char *name, char *out, size_t cap);
bool sink_request_number(const struct sink_request *req, const char *name, int64_t max,
			 int64_t *ret);

/* ---- what was received (sink_record.c) ---- */

struct sink_record_options {
	const char *journal; /* file to append JSON lines to, or NULL */
	bool sync_each;      /* on disk before the answer leaves */
	uint64_t ring_max;   /* records kept in memory */
};

/* False when the journal cannot be opened (errno says why). */
bool sink_record_open(const struct sink_record_options *opt);
void sink_record_close(void);
/* How often this Idempotency-Key (or path, without one) has been seen, this call included. */
uint64_t sink_record_call(const struct sink_request *req);
/* Records the request with the status it will be answered. False when the journal could not be
 * written. */
bool sink_record_add(const struct sink_request *req, int status);
/* Once a round, before answers leave. False when the disk refused. */
bool sink_record_sync(void);
void sink_record_list(struct pb_buf *out, uint64_t since, uint64_t limit);
void sink_record_count(struct pb_buf *out);
void sink_record_reset(void);

/* ---- the answer (sink_answer.c) ---- */

enum sink_body {
	SINK_BODY_PLAIN,  /* all of it is in the buffer already */
	SINK_BODY_FILL,   /* `left` bytes of filler follow */
	SINK_BODY_CHUNKS, /* chunks without end */
	SINK_BODY_SLOW,   /* `left` bytes, one every `interval_us` */
	SINK_BODY_BOMB,   /* `left` times the pattern of a gzip bomb, then its trailer */
	SINK_BODY_NONE,   /* never an answer: the connection stays open */
	SINK_BODY_CLOSE,  /* what is in the buffer, then the connection ends */
	SINK_BODY_RESET,  /* the same with a RST */
};

struct sink_answer {
	enum sink_body body;
	int64_t delay_us, interval_us;
	uint64_t left;
	uint64_t patterns; /* of a bomb, for its trailer */
	bool close;
};

/* Decides, records and writes the head (and a plain body) to @out. False when the journal failed.
 */
bool sink_answer_make(const struct sink_request *req, struct pb_buf *out, struct sink_answer *ret);
/* Adds the next piece of a generated body; false when there is none left. */
bool sink_answer_more(struct sink_answer *a, struct pb_buf *out);
/* A short answer of our own, used for what is not HTTP as well. */
void sink_answer_plain(struct pb_buf *out, int status, const char *text, bool close);

/* ---- a gzip stream of zeros (sink_bomb.c) ---- */

#define SINK_BOMB_PATTERN_BYTES 2064u /* zeros that one pattern stands for */
void sink_bomb_head(struct pb_buf *out);
void sink_bomb_pattern(struct pb_buf *out, uint64_t times);
void sink_bomb_tail(struct pb_buf *out, uint64_t patterns);
/* Bytes of the whole stream. */
uint64_t sink_bomb_size(uint64_t patterns);

/* ---- connections (sink_conn.c) ---- */

struct sink_loop {
	int epoll_fd, listen_fd;
	uint64_t n_conns;
	bool accept_paused;
	struct pb_list timers; /* by due time */
	struct pb_list dirty;  /* something to send */
	struct pb_list ready;  /* an answer has left and more input is here already */
};

struct sink_conn;
void sink_conn_accept(struct sink_loop *loop);
void sink_conn_event(struct sink_loop *loop, struct sink_conn *c, uint32_t events);
/* What is due, what was left over, then (after the journal's sync) everything that can be sent. */
void sink_conn_round(struct sink_loop *loop);
/* Milliseconds until the next round has something to do, -1 = nothing planned. */
int sink_conn_timeout(const struct sink_loop *loop);

#endif
