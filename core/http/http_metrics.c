/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of the server: requests by route and class, latency, bytes, refusals, connections. */
#include "http/http_priv.h"

#include "base/base.h"

static const char *const classes[] = {"2xx", "3xx", "4xx", "5xx"};

static void collect(void *arg)
{
	struct http_server *s = arg;
	struct http_stats st;

	http_server_stats(s, &st);
	obs_gauge_set(s->g_in_flight, st.in_flight);
	obs_gauge_set(s->g_conns, st.connections);
	obs_gauge_set(s->g_streams, st.streams);
}

void http_metrics_start(struct http_server *s)
{
	s->by_route_memory = pb_xcalloc((http_router_count(s->router) + 1) * PB_ARRAY_LEN(classes),
					sizeof(*s->by_route));
	s->by_route = s->by_route_memory;
	s->latency = obs_histogram_new("patchbay_http_request_duration_seconds",
				       "From the parsed head to the end of the answer.", NULL);
	s->bytes_in =
		obs_counter_new("patchbay_http_request_body_bytes_total", "Body bytes read.", NULL);
	s->bytes_out =
		obs_counter_new("patchbay_http_response_bytes_total", "Bytes answered.", NULL);
	s->guarded = obs_counter_new("patchbay_http_guard_refusals_total",
				     "Requests refused as malformed or ambiguous.", NULL);
	s->g_in_flight =
		obs_gauge_new("patchbay_http_requests_in_flight", "Requests in a handler.", NULL);
	s->g_conns =
		obs_gauge_new("patchbay_http_connections", "Connections that hold a thread.", NULL);
	s->g_streams = obs_gauge_new("patchbay_http_streams", "Event streams open.", NULL);
	obs_collector_add(collect, s);
}

void http_metrics_stop(struct http_server *s)
{
	obs_collector_remove(s);
	free(s->by_route_memory);
	s->by_route = NULL;
}

/* Index of the route; the last one is "no route". */
static size_t route_index(const struct http_server *s, const struct http_route *route)
{
	size_t n = http_router_count(s->router);

	for (size_t i = 0; route && i < n; i++)
		if (http_router_route(s->router, i) == route)
			return i;
	return n;
}

static struct obs_counter *counter_for(struct http_server *s, const struct http_route *route,
				       size_t class)
{
	size_t i = route_index(s, route) * PB_ARRAY_LEN(classes) + class;
	struct obs_counter *c = atomic_load_explicit(&s->by_route[i], memory_order_acquire);
	char methods[64];

	if (c)
		return c;
	http_method_list(route ? route->method : 0, methods, sizeof(methods));
	const struct obs_label labels[] = {{"method", methods},
					   {"route", route ? route->pattern : "none"},
					   {"class", classes[class]},
					   {NULL, NULL}};

	c = obs_counter_new("patchbay_http_requests_total", "Requests answered.", labels);
	atomic_store_explicit(&s->by_route[i], c, memory_order_release);
	return c;
}

void http_metrics_request(struct http_server *s, const struct http_req *r, int64_t took_us)
{
	size_t class = (size_t)PB_MAX(PB_MIN(r->status / 100, 5), 2) - 2;

	obs_counter_add(counter_for(s, r->match.route, class), 1);
	obs_histogram_observe(s->latency, took_us);
	obs_counter_add(s->bytes_out, r->bytes_out);
}
