/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of http: shared by its .c files, included by nobody else. */
#ifndef PB_HTTP_HTTP_PRIV_H
#define PB_HTTP_HTTP_PRIV_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/list.h"
#include "base/lock.h"
#include "http/http_guard.h"
#include "http/http_net.h"
#include "http/http_server.h"
#include "obs/obs_metrics.h"

struct mg_connection;
struct mg_context;

#define HTTP_HEADERS_MAX 64
#define HTTP_REQ_MAGIC   0x48524551u
#define HTTP_CONN_MAGIC  0x48434f4eu
#define HTTP_IP_BYTES    48
/* Unread body up to this is read away to keep the connection; more closes it. */
#define HTTP_DISCARD_BYTES 65536

/* What the watchdog does at the deadline. */
enum http_watch {
	HTTP_WATCH_NONE, /* the handler computes: not our business */
	HTTP_WATCH_READ, /* end the reading side: the blocked read returns, an answer can still go out */
	HTTP_WATCH_CLOSE, /* end both sides */
	HTTP_WATCH_IDLE,  /* end the reading side; the first to go when all workers are taken */
};

/* Invariant: linked in http_conns.all from init_connection to connection_closed. Guarded by its lock. */
struct http_conn {
	uint32_t magic;
	struct pb_list link;
	struct http_conns *owner;
	const struct mg_connection *mg; /* one at a time for each worker */
	char ip[HTTP_IP_BYTES];
	int remote_port, local_port;
	bool counted; /* in the per-address count (not a trusted proxy) */
	enum http_watch watch;
	int64_t since_us, deadline_us;
	enum http_watch ending; /* what the next look at the descriptors does to its socket */
	bool timed_out;
	bool refused;        /* over the limit of its address: its bytes are not looked at */
	bool answered_error; /* the worker's own: a parse error was answered */
};

/* All connections that a worker has, and the thread that ends the stuck ones. */
struct http_conns {
	struct pb_mutex lock;
	struct pb_cond wake;
	struct pb_list all;
	unsigned n, max_per_ip, workers;
	const struct http_nets *uncounted;
	bool stopping;
	pthread_t thread;
	_Atomic uint64_t refused, timeouts;
};

void http_conns_start(struct http_conns *c, unsigned max_per_ip, unsigned workers,
		      const struct http_nets *uncounted);
/* Every worker has a connection, so others wait for one: no time for idle or slow ones. */
bool http_conns_crowded(struct http_conns *c);
void http_conns_stop(struct http_conns *c);
/* Over the limit the socket is shut down at once and the entry only waits for its end. */
struct http_conn *http_conn_open(struct http_conns *c, const struct mg_connection *mg,
				 const char *ip, int remote_port, int local_port,
				 int64_t deadline_us);
/* For a connection that was opened before its address could be known. */
void http_conn_address(struct http_conn *c, const char *ip, int remote_port, int local_port);
/* CivetWeb has forgotten our pointer by then, so the entry is found by its connection. */
void http_conn_close(struct http_conns *c, const struct mg_connection *mg);
bool http_conn_refused(struct http_conn *c);
void http_conn_watch(struct http_conn *c, enum http_watch watch, int64_t deadline_us);
/* True when the watchdog ended it since the last http_conn_watch. */
bool http_conn_timed_out(struct http_conn *c);

struct http_server {
	struct http_cfg cfg;
	const struct http_router *router;
	struct http_nets proxies; /* cfg.trusted_proxies */
	struct mg_context *ctx;
	struct http_conns conns;
	unsigned ports[8];
	_Atomic unsigned in_flight, streams;
	_Atomic bool draining;
	_Atomic uint64_t guard_refusals;
	/* metrics; by_route holds one counter a route and class, made at first use */
	_Atomic(struct obs_counter *) *by_route;
	void *by_route_memory; /* the same, without _Atomic, to free it */
	struct obs_histogram *latency;
	struct obs_counter *bytes_in, *bytes_out, *guarded;
	struct obs_gauge *g_in_flight, *g_conns, *g_streams;
};

enum http_req_state {
	HTTP_REQ_OPEN,    /* nothing answered */
	HTTP_REQ_STREAM,  /* headers are out, the handler writes */
	HTTP_REQ_REPLIED, /* the answer is complete */
};

struct http_req {
	uint32_t magic;
	struct http_server *server;
	struct mg_connection *mg;
	struct http_conn *conn;
	struct pb_arena arena;
	int64_t start_us;
	int64_t write_timeout_us;
	char id[HTTP_REQUEST_ID_BYTES];
	char ip[HTTP_IP_BYTES];
	const char *method_name, *raw_target, *host;
	unsigned method;
	bool https;
	struct http_target target;
	struct http_match match;
	struct http_framing framing;
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t n_headers;
	/* body */
	int64_t body_read; /* bytes taken off the connection */
	bool body_done, body_failed, body_kept;
	char *body;
	size_t body_len;
	/* answer */
	enum http_req_state state;
	bool close;
	int status;
	uint64_t bytes_out;
	struct pb_buf out_headers; /* "Name: value\r\n"... */
	const char *user_id, *client_id, *role;
	void *attached;
	void (*attached_free)(void *);
};

/* ---- http_dispatch.c ---- */
/* One request from the parsed head to the finished answer. Returns CivetWeb's "handled" status. */
int http_dispatch(struct http_server *s, struct mg_connection *mg);
/* CivetWeb's own errors (unparsable head, too large), put into the envelope. */
void http_dispatch_parse_error(struct http_server *s, struct mg_connection *mg, int status);

/* True when what the request and its answer held is to be wiped. */
static inline bool http_req_is_secret(const struct http_req *r)
{
	return r->match.route && (r->match.route->flags & HTTP_ROUTE_SECRET);
}

/* ---- http_body.c ---- */
/* True when the rest of the body is small enough to be read away. */
bool http_body_rest_is_small(const struct http_req *r);
void http_body_done(struct http_req *r);

/* ---- http_head.c ---- */
/* Status line and all headers with the empty line. @content_length -1 = none (streams). */
void http_head_write(struct http_req *r, struct pb_buf *out, int status, const char *content_type,
		     int64_t content_length);
/* OPTIONS without a route of its own. */
void http_head_preflight(struct http_req *r, unsigned allow);
const char *http_status_text(int status);

/* ---- http_metrics.c ---- */
void http_metrics_start(struct http_server *s);
void http_metrics_stop(struct http_server *s);
void http_metrics_request(struct http_server *s, const struct http_req *r, int64_t took_us);

#endif
