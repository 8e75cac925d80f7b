/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: listens, guards, routes, answers, drains. Knows no domain word. CivetWeb does
 * the sockets and the threads; its parser is lenient, so nothing reaches a handler that
 * http_guard.h has not seen. One connection holds one thread, therefore everything that waits has a
 * deadline, enforced by a watchdog that shuts down the socket under a stuck read or write.
 */
#ifndef PB_HTTP_HTTP_SERVER_H
#define PB_HTTP_HTTP_SERVER_H

#include "base/err.h"
#include "http/http_reply.h"
#include "http/http_request.h"
#include "http/http_router.h"

struct http_server;

/*
 * Runs after matching, before the handler and before the body is read: authentication, permissions,
 * rates. Returns false when it has answered itself. [request]
 */
typedef bool http_before_fn(struct http_req *req, const struct http_route *route, void *arg);
/* Runs after the answer was sent, for the access log and audit. Must not answer. [request] */
typedef void http_after_fn(struct http_req *req, int status, int64_t duration_us, void *arg);

struct http_cfg {
	const char *listen;        /* "127.0.0.1:8080[,0.0.0.0:8081]"; port 0 takes a free one */
	unsigned threads;          /* 0 = 512; at least 8 */
	unsigned connection_queue; /* accepted, waiting for a thread; 0 = 1024 */
	unsigned max_per_ip;       /* connections of one address; 0 = 100. Trusted proxies are not
				      counted. */
	unsigned max_streams;      /* http_stream_begin at once; 0 = threads / 4 */
	size_t header_bytes;       /* request line and headers; 0 = 16384 (more is 431) */
	size_t arena_bytes;        /* per request; 0 = 4 MB */
	int64_t keep_alive_us;     /* idle between requests; 0 = 1.5 s */
	int64_t header_timeout_us; /* for all header bytes; 0 = 8 s */
	int64_t body_timeout_us;   /* for the whole body, plus 1 s per 64 KB; 0 = 10 s */
	int64_t write_timeout_us;  /* for the whole answer, plus 1 s per 64 KB; 0 = 10 s */
	/* Names served ("api.example.com", "*.example.com"), NULL-terminated; NULL = any. */
	const char *const *hosts;
	const char *const
		*cors_origins; /* exact "https://app.example"; NULL-terminated, NULL = none */
	const char *const *
		trusted_proxies; /* addresses or networks (CIDR) whose X-Forwarded-For/-Proto count, at
				      most 64; NULL = none */
	const char *api_version; /* meta.version; NULL = "v1" */
	const char *hsts;        /* Strict-Transport-Security on https answers; NULL = none */
	http_before_fn *before;
	http_after_fn *after;
	void *hook_arg;
};

/*
 * Binds and serves.
 * Owner:   *ret owned, http_server_stop(). @router and the strings of @cfg borrowed until then.
 * Errors:  PB_E_INVALID http.config, PB_E_UNAVAILABLE http.listen (address taken or not allowed).
 * Threads: [main]
 */
enum pb_status http_server_start(const struct http_cfg *cfg, const struct http_router *router,
				 struct http_server **ret, struct pb_err *err) pb_must_check;
/* Port of the @i-th listening socket, 0 when there is none. */
unsigned http_server_port(const struct http_server *s, size_t i);

/*
 * Stops taking work: new requests get 503 http.draining with Connection: close (except
 * HTTP_ROUTE_DURING_DRAIN), streams are told to end; waits until no request is in flight.
 * False when @deadline_us (pb_mono_us) came first. [any-thread], not a handler
 */
bool http_server_drain(struct http_server *s, int64_t deadline_us);
bool http_server_draining(const struct http_server *s);

/* Closes everything; answers in flight may be lost, so drain first. NULL is fine. [main] */
void http_server_stop(struct http_server *s);

struct http_stats {
	unsigned in_flight, connections, streams;
	uint64_t requests, refused_connections, guard_refusals, timeouts;
};
void http_server_stats(const struct http_server *s, struct http_stats *ret);

#endif
