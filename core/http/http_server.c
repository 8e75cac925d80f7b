/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CivetWeb's life: options, callbacks, drain, stop. The surprising thing: begin_request answers every
 * request itself, so none of CivetWeb's own features (files, CGI, digest passwords, CORS) is reachable.
 */
#include "http/http_server.h"

#include <civetweb.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/http_priv.h"
#include "http/http_wake.h"
#include "base/base.h"

PB_LOG_TOPIC("http.server");

/* Between two looks while draining. */
#define DRAIN_STEP_US (5 * PB_USEC_PER_MSEC)

static struct http_server *server_of(const struct mg_connection *mg)
{
	return mg_get_user_data(mg_get_context(mg));
}

/*
 * Where CivetWeb keeps the request's facts inside its connection. Its accessor answers NULL until a head
 * was parsed, but the peer's address stands there from the start and is needed from the start; the first
 * request of the process shows the distance, which is the same for all.
 */
static _Atomic ptrdiff_t info_distance;

static void learn_distance(const struct mg_connection *mg)
{
	const void *info = mg_get_request_info(mg);
	ptrdiff_t d = info ? (const char *)info - (const char *)mg : 0;

	if (atomic_load_explicit(&info_distance, memory_order_relaxed) == 0 && d > 0 && d < 4096)
		atomic_store_explicit(&info_distance, d, memory_order_relaxed);
}

static int on_begin(struct mg_connection *mg)
{
	learn_distance(mg);
	return http_dispatch(server_of(mg), mg);
}

static int on_error(struct mg_connection *mg, int status, const char *msg)
{
	(void)msg;
	http_dispatch_parse_error(server_of(mg), mg, status);
	return 0;
}

/* Some of CivetWeb's messages quote the request, whose target may be a secret: the words before that are kept. */
static int on_log(const struct mg_connection *mg, const char *msg)
{
	char words[80] = "";

	(void)mg;
	(void)pb_str_printf(words, sizeof(words), "%.*s",
			    (int)PB_MIN(strcspn(msg, "[/\"'?"), sizeof(words) - 1), msg);
	pb_log(PB_LOG_DEBUG, "civetweb", PB_KV_STR("patchbay.detail", words));
	return 1;
}

static int on_access(const struct mg_connection *mg, const char *msg)
{
	(void)mg;
	(void)msg;
	return 1;
}

static int on_open(const struct mg_connection *mg, void **ret_data)
{
	ptrdiff_t d = atomic_load_explicit(&info_distance, memory_order_relaxed);
	const struct mg_request_info *info = d ? (const void *)((const char *)mg + d) : NULL;
	struct http_server *s = server_of(mg);

	*ret_data = http_conn_open(&s->conns, mg, info ? info->remote_addr : "",
				   info ? info->remote_port : 0, info ? info->server_port : 0,
				   pb_mono_us() + s->cfg.header_timeout_us);
	return 0;
}

/* Targets that are not paths ("*", "http://...") are dropped by CivetWeb without a word. */
static bool never_dispatched(const struct mg_connection *mg, const struct http_conn *c)
{
	const struct mg_request_info *info = mg_get_request_info(mg);

	return info && info->request_uri && info->request_uri[0] != '/' && !c->answered_error;
}

/* Before CivetWeb says goodbye to the peer and reads what still comes. */
static void on_close(const struct mg_connection *const_mg)
{
	/* const by the callback's type only: writing to it is still allowed here */
	struct mg_connection *mg = (struct mg_connection *)(uintptr_t)const_mg;
	struct http_conn *c = mg_get_user_connection_data(mg);

	if (!c)
		return;
	if (never_dispatched(mg, c))
		http_dispatch_parse_error(server_of(mg), mg, 400);
	http_conn_watch(c, HTTP_WATCH_CLOSE, pb_mono_us() + 2 * PB_USEC_PER_SEC);
}

static void on_closed(const struct mg_connection *mg)
{
	http_conn_close(&server_of(mg)->conns, mg);
}

static void set_defaults(struct http_cfg *c)
{
	c->threads = c->threads ? PB_MAX(c->threads, 8u) : 512;
	c->connection_queue = c->connection_queue ? c->connection_queue : 1024;
	c->max_per_ip = c->max_per_ip ? c->max_per_ip : 100;
	c->max_streams = c->max_streams ? c->max_streams : c->threads / 4;
	c->header_bytes = c->header_bytes ? c->header_bytes : 16384;
	c->arena_bytes = c->arena_bytes ? c->arena_bytes : 4 * 1024 * 1024;
	c->keep_alive_us = c->keep_alive_us ? c->keep_alive_us : 1500 * PB_USEC_PER_MSEC;
	c->header_timeout_us = c->header_timeout_us ? c->header_timeout_us : 8 * PB_USEC_PER_SEC;
	c->body_timeout_us = c->body_timeout_us ? c->body_timeout_us : 10 * PB_USEC_PER_SEC;
	c->write_timeout_us = c->write_timeout_us ? c->write_timeout_us : 10 * PB_USEC_PER_SEC;
	c->api_version = c->api_version ? c->api_version : "v1";
}

struct option_text {
	char threads[16], queue[16], head[24], keep_alive[24], request[24];
};

static struct mg_context *start_civetweb(struct http_server *s)
{
	static const struct mg_callbacks callbacks = {
		.begin_request = on_begin,
		.http_error = on_error,
		.log_message = on_log,
		.log_access = on_access,
		.init_connection = on_open,
		.connection_close = on_close,
		.connection_closed = on_closed,
	};
	const struct http_cfg *c = &s->cfg;
	int64_t longest =
		PB_MAX(PB_MAX(c->header_timeout_us, c->body_timeout_us), c->write_timeout_us);
	struct option_text t;

	(void)pb_str_printf(t.threads, sizeof(t.threads), "%u", c->threads);
	(void)pb_str_printf(t.queue, sizeof(t.queue), "%u", c->connection_queue);
	/* larger than what the guard lets through, so that it can say what was wrong */
	(void)pb_str_printf(t.head, sizeof(t.head), "%zu",
			    c->header_bytes * 2 + HTTP_TARGET_BYTES * 2);
	(void)pb_str_printf(t.keep_alive, sizeof(t.keep_alive), "%lld",
			    (long long)(c->keep_alive_us / PB_USEC_PER_MSEC));
	(void)pb_str_printf(t.request, sizeof(t.request), "%lld",
			    (long long)(longest / PB_USEC_PER_MSEC));
	const char *options[] = {"listening_ports",
				 c->listen,
				 "num_threads",
				 t.threads,
				 "connection_queue",
				 t.queue,
				 "listen_backlog",
				 t.queue,
				 "max_request_size",
				 t.head,
				 "enable_keep_alive",
				 "yes",
				 "keep_alive_timeout_ms",
				 t.keep_alive,
				 "request_timeout_ms",
				 t.request,
				 "tcp_nodelay",
				 "1",
				 "decode_url",
				 "no",
				 "decode_query_string",
				 "no",
				 "enable_directory_listing",
				 "no",
				 "access_control_allow_methods",
				 "",
				 "access_control_allow_origin",
				 "",
				 NULL};

	return mg_start(&callbacks, s, options);
}

static void read_ports(struct http_server *s)
{
	struct mg_server_port ports[PB_ARRAY_LEN(s->ports)];
	int n = mg_get_server_ports(s->ctx, PB_ARRAY_LEN(ports), ports);

	for (int i = 0; i < n; i++)
		s->ports[i] = (unsigned)ports[i].port;
}

enum pb_status http_server_start(const struct http_cfg *cfg, const struct http_router *router,
				 struct http_server **ret, struct pb_err *err)
{
	struct http_server *s = NULL;

	if (!cfg->listen || !*cfg->listen || cfg->listen[strspn(cfg->listen, "0123456789.:,")] ||
	    cfg->header_bytes > 1 << 20)
		return pb_err_set(err, PB_E_INVALID, "http.config",
				  "listen must be IPv4 addresses with ports");
	s = pb_new(struct http_server);
	s->cfg = *cfg;
	if (!http_nets_parse(cfg->trusted_proxies, &s->proxies)) {
		free(s);
		return pb_err_set(err, PB_E_INVALID, "http.config",
				  "trusted_proxies must be addresses or networks");
	}
	s->router = router;
	set_defaults(&s->cfg);
	(void)mg_init_library(0);
	http_conns_start(&s->conns, s->cfg.max_per_ip, s->cfg.threads, &s->proxies);
	http_metrics_start(s);
	s->ctx = start_civetweb(s);
	if (!s->ctx) {
		http_server_stop(s);
		return pb_err_set(err, PB_E_UNAVAILABLE, "http.listen",
				  "cannot listen there: the address is taken or not allowed");
	}
	read_ports(s);
	*ret = s;
	return PB_OK;
}

unsigned http_server_port(const struct http_server *s, size_t i)
{
	return i < PB_ARRAY_LEN(s->ports) ? s->ports[i] : 0;
}

static unsigned connection_count(struct http_conns *c)
{
	unsigned n = 0;

	pb_lock(&c->lock);
	n = c->n;
	pb_unlock(&c->lock);
	return n;
}

/*
 * Idle keep-alive connections end by themselves within keep_alive_us; waiting for them too means that a
 * client which was about to send on one gets its 503 and not a reset.
 */
bool http_server_drain(struct http_server *s, int64_t deadline_us)
{
	int64_t idle_until = pb_mono_us() + s->cfg.keep_alive_us + 100 * PB_USEC_PER_MSEC;
	struct timespec step = pb_timespec(DRAIN_STEP_US);

	atomic_store(&s->draining, true);
	for (;;) {
		int64_t now = pb_mono_us();

		if (atomic_load(&s->in_flight) == 0 &&
		    (connection_count(&s->conns) == 0 || now >= idle_until))
			return true;
		if (now >= deadline_us)
			return atomic_load(&s->in_flight) == 0;
		(void)nanosleep(&step, NULL);
	}
}

bool http_server_draining(const struct http_server *s)
{
	return atomic_load(&s->draining);
}

void http_server_stop(struct http_server *s)
{
	if (!s)
		return;
	atomic_store(&s->draining, true);
	if (s->ctx) {
		struct http_wake wake;

		http_wake_start(&wake, s->cfg.listen, s->ports[0]);
		mg_stop(s->ctx);
		http_wake_end(&wake);
	}
	http_metrics_stop(s);
	http_conns_stop(&s->conns);
	(void)mg_exit_library();
	free(s);
}

void http_server_stats(const struct http_server *s, struct http_stats *ret)
{
	/* the lock is part of the table that is counted; nothing else of @s is touched */
	struct http_conns *c = (struct http_conns *)(uintptr_t)&s->conns;

	*ret = (struct http_stats){
		.in_flight = atomic_load(&s->in_flight),
		.connections = connection_count(c),
		.streams = atomic_load(&s->streams),
		.requests = obs_histogram_count(s->latency),
		.refused_connections = atomic_load(&s->conns.refused),
		.guard_refusals = atomic_load(&s->guard_refusals),
		.timeouts = atomic_load(&s->conns.timeouts),
	};
}
