/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of egress share: an egress that may reach loopback, and a call that waits. */
#ifndef PB_TESTS_EGRESS_CLIENT_H
#define PB_TESTS_EGRESS_CLIENT_H

#include "egress/egress.h"
#include "unit/egress/mini_http.h"

/* A copy of what the done function saw. */
struct got {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int calls;
	enum pb_status status;
	char code[64], msg[PB_ERR_MSG_BYTES], address[64];
	enum egress_sent sent;
	int http_status;
	uint32_t redirects;
	bool reused;
	int64_t retry_after_us, duration_us;
	char url[512], one[64], key[64];
	struct pb_buf body;
};

static void got_init(struct got *g)
{
	*g = (struct got){0};
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->cond, NULL);
}

static void got_done(struct got *g)
{
	pb_buf_done(&g->body);
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->cond);
}

static void on_done(void *arg, const struct egress_answer *a)
{
	struct got *g = arg;

	pthread_mutex_lock(&g->lock);
	g->calls++;
	g->status = a->status;
	(void)pb_str_copy(g->code, sizeof(g->code), a->code ? a->code : "");
	(void)pb_str_copy(g->msg, sizeof(g->msg), a->msg ? a->msg : "");
	(void)pb_str_copy(g->address, sizeof(g->address), a->address);
	(void)pb_str_copy(g->url, sizeof(g->url), a->url);
	(void)pb_str_copy(g->key, sizeof(g->key), a->idempotency_key ? a->idempotency_key : "");
	for (size_t i = 0; i < a->n_headers; i++)
		if (strcmp(a->headers[i].name, "x-one") == 0)
			(void)pb_str_copy(g->one, sizeof(g->one), a->headers[i].value);
	g->sent = a->sent;
	g->http_status = a->http_status;
	g->redirects = a->redirects;
	g->reused = a->reused;
	g->retry_after_us = a->retry_after_us;
	g->duration_us = a->duration_us;
	pb_buf_clear(&g->body);
	if (a->body.len)
		(void)pb_buf_add(&g->body, a->body.p, a->body.len);
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

static pb_unused void got_wait(struct got *g)
{
	pthread_mutex_lock(&g->lock);
	while (g->calls == 0)
		pthread_cond_wait(&g->cond, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

/* Submits and waits. A refusal at once looks like any other failure. */
static pb_unused void fetch(struct egress *e, const struct egress_request *req, struct got *g)
{
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st = egress_submit(e, req, on_done, g, NULL, &err);

	if (st == PB_OK) {
		got_wait(g);
		return;
	}
	g->status = st;
	(void)pb_str_copy(g->code, sizeof(g->code), err.code);
	(void)pb_str_copy(g->msg, sizeof(g->msg), err.msg);
}

/* The usual egress of these tests: loopback and every port above 1023. */
static pb_unused struct egress *egress_for_test(struct egress_cfg *cfg)
{
	static const char *const allow[] = {"127.0.0.0/16"};
	static const char *const ports[] = {"1024-65535"};
	struct egress_cfg c = cfg ? *cfg : (struct egress_cfg){0};
	struct egress *e = NULL;
	struct pb_err err = PB_ERR_INIT;

	if (!c.n_allow) {
		c.allow = allow;
		c.n_allow = 1;
	}
	if (!c.n_ports) {
		c.ports = ports;
		c.n_ports = 1;
	}
	PB_ASSERT(egress_new(&c, &e, &err) == PB_OK);
	return e;
}

/* "http://127.0.0.1:port<path>" in a static ring of buffers. */
static pb_unused const char *at(const struct mini_http *s, const char *path)
{
	static char ring[16][1024];
	static unsigned next;
	char *out = ring[next++ % 16];

	PB_ASSERT(pb_str_printf(out, sizeof(ring[0]), "http://127.0.0.1:%u%s", s->port, path));
	return out;
}

#endif
