/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on its way, private to egress: what was asked (copied), where it stands, what came back.
 * Built on the caller's thread, afterwards touched by the egress thread alone, but for `refs`,
 * `cancelled` and `sent`.
 */
#ifndef PB_EGRESS_EGRESS_TRANSFER_H
#define PB_EGRESS_EGRESS_TRANSFER_H

#include <curl/curl.h>
#include <stdatomic.h>
#include "base/arena.h"
#include "base/list.h"
#include "base/lock.h"
#include "egress/egress.h"
#include "egress/egress_policy.h"
#include "egress/egress_url.h"

#define EGRESS_TRANSFER_MAGIC 0x45475254u
#define EGRESS_LINES_MAX      1000 /* header lines of one answer, interim answers and trailers too */

/* How one hop ends; failures found inside curl's callbacks are noted before curl reports its own. */
enum egress_fault {
	EGRESS_FAULT_NONE,
	EGRESS_FAULT_BLOCKED, /* destination policy */
	EGRESS_FAULT_CLEAR,   /* credential over plain http */
	EGRESS_FAULT_REPEAT,  /* curl wanted to send an unsafe request again */
	EGRESS_FAULT_LARGE,   /* body, headers, or unpacked too much */
	EGRESS_FAULT_MEMORY,
	EGRESS_FAULT_FRAMING, /* two different lengths */
};

struct egress_transfer {
	uint32_t magic;
	atomic_int refs;
	atomic_bool cancelled;
	atomic_int sent;         /* enum egress_sent */
	struct pb_list node;     /* of egress->submitted, then egress->running */
	struct pb_list end_node; /* of egress->cancels */
	struct egress *egress;
	egress_done_fn *done;
	void *arg;

	/* the request */
	struct pb_arena arena;
	const char *method;
	bool safe; /* GET, HEAD, OPTIONS */
	struct egress_url url;
	const struct egress_header *headers;
	size_t n_headers;
	char *body; /* owned */
	size_t body_bytes, body_max;
	bool has_body;
	uint32_t redirects_max, flags;
	const char *const *hosts;
	size_t n_hosts;
	const char *const *credential_hosts;
	size_t n_credential_hosts;
	struct egress_credential *credentials; /* in `secrets` */
	size_t n_credentials;
	char *secrets; /* wiped when the transfer ends */
	size_t secrets_bytes;
	const char *idempotency_key;
	int64_t start_us, deadline_us; /* pb_mono_us */

	/* this hop */
	CURL *easy;
	struct curl_slist *lines;
	bool credentialed, requested;
	enum egress_fault fault;
	char error[CURL_ERROR_SIZE];

	/* the answer of this hop */
	struct egress_header *got; /* EGRESS_HEADERS_MAX */
	size_t n_got, n_lines, header_bytes;
	bool body_begun;
	struct pb_arena got_arena;
	struct pb_buf got_body;
	char address[64];
	uint32_t redirects;
	bool reused;
};

struct egress {
	struct egress_policy *policy;
	struct egress_cfg cfg; /* numbers only; strings below */
	char *ca_file, *user_agent;
	CURLM *multi;
	pthread_t thread;

	struct pb_mutex lock; /* over the next block */
	struct pb_list submitted;
	struct pb_list cancels;
	size_t in_flight;
	bool stop;

	/* egress thread only */
	int epoll_fd, event_fd;
	int64_t timer_us; /* when curl wants to be called, pb_mono_us; INT64_MAX: not */
	struct pb_list running;
	CURL **spare; /* easy handles for reuse */
	size_t n_spare;

	atomic_uint_fast64_t requests, answers, failures, blocked, cancelled, redirects, connects,
		reuses, bytes_in, bytes_out;
};

/* egress_loop.c: curl's descriptors in an epoll set, its timer, our wake-up. */
void egress_loop_init(struct egress *e);
void egress_loop_done(struct egress *e);
/* Waits for something to do and lets curl do it. */
void egress_loop_once(struct egress *e);
void egress_loop_wake(struct egress *e); /* [any-thread] */

/* egress_request.c: checks and copies @req. The result has one reference. */
enum pb_status egress_transfer_new(struct egress *e, const struct egress_request *req,
				   struct egress_transfer **ret, struct pb_err *err) pb_must_check;
/* Wipes secrets and drops what only the running transfer needs. */
void egress_transfer_wipe(struct egress_transfer *t);
/* Scheme aside: port policy and declared hosts, for the first URL and each redirect. */
enum pb_status egress_request_check_url(const struct egress_transfer *t,
					const struct egress_url *url,
					struct pb_err *err) pb_must_check;

/* egress_hop.c: sets up the easy handle for the present URL. */
enum pb_status egress_hop_setup(struct egress_transfer *t, CURL *easy,
				struct pb_err *err) pb_must_check;
/* After curl is done: reads what it measured, frees the header lines. t->easy stays the caller's. */
void egress_hop_finish(struct egress_transfer *t);
/*
 * Moves t->url on when the answer is a redirect to follow. False: it is not.
 * *ret_st is PB_OK or why the redirect cannot be followed.
 */
bool egress_hop_redirect(struct egress_transfer *t, enum pb_status *ret_st, struct pb_err *err);
/* curl's result and our own notes as a failure; PB_OK for a good answer. */
enum pb_status egress_hop_status(const struct egress_transfer *t, CURLcode rc, struct pb_err *err);
/* The value of a header of the answer, or NULL. */
const char *egress_hop_header(const struct egress_transfer *t, const char *name);

#endif
