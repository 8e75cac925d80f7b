/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The egress thread: takes submitted transfers, drives curl, walks redirects, answers. Callers only
 * touch two lists under one lock; everything of curl belongs to the thread.
 */
#include "egress/egress.h"

#include "base/clock.h"
#include "base/parse.h"
#include "egress/egress_transfer.h"
#include "base/base.h"

#define SPARE_MAX   512
#define STACK_BYTES (512u * 1024)

static void count(atomic_uint_fast64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

/* ---- answers ---- */

static int64_t retry_after_us(const struct egress_transfer *t)
{
	const char *v = egress_hop_header(t, "retry-after");
	int64_t seconds;
	time_t at;

	if (!v)
		return 0;
	if (pb_parse_i64(v, strlen(v), 0, 365 * 86400, &seconds))
		return seconds * PB_USEC_PER_SEC;
	at = curl_getdate(v, NULL);
	return at == (time_t)-1 ? 0 : PB_MAX((int64_t)at * PB_USEC_PER_SEC - pb_now_us(), 0);
}

static void leave(struct egress *e)
{
	pb_lock(&e->lock);
	e->in_flight--;
	pb_unlock(&e->lock);
}

static void count_end(struct egress *e, enum pb_status st, const struct pb_err *err)
{
	count(st == PB_OK ? &e->answers : &e->failures, 1);
	if (st == PB_E_CANCELLED)
		count(&e->cancelled, 1);
	if (st == PB_E_FORBIDDEN && pb_str_eq(err->code, "egress.destination_blocked"))
		count(&e->blocked, 1);
}

static void answer(struct egress_transfer *t, enum pb_status st, const struct pb_err *err)
{
	struct egress *e = t->egress;
	pb_autofree char *url = egress_url_text(&t->url);
	struct egress_answer a = {
		.status = st,
		.code = st == PB_OK ? NULL : err->code,
		.msg = st == PB_OK ? NULL : err->msg,
		.sent = egress_transfer_sent(t),
		.url = url,
		.address = t->address,
		.redirects = t->redirects,
		.reused = t->reused,
		.duration_us = pb_mono_us() - t->start_us,
		.idempotency_key = t->idempotency_key,
	};
	long status = 0;

	if (st == PB_OK) {
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		a.http_status = (int)status;
		a.headers = t->got;
		a.n_headers = t->n_got;
		a.body = pb_slice(pb_buf_str(&t->got_body), t->got_body.len);
		a.retry_after_us = retry_after_us(t);
		count(&e->bytes_in, t->got_body.len);
	}
	count_end(e, st, err);
	leave(e);
	t->done(t->arg, &a);
}

/* ---- easy handles ---- */

static CURL *easy_get(struct egress *e)
{
	CURL *h = e->n_spare ? e->spare[--e->n_spare] : curl_easy_init();

	PB_ASSERT(h);
	return h;
}

static void easy_put(struct egress *e, CURL *h)
{
	curl_easy_reset(h);
	if (e->n_spare < SPARE_MAX)
		e->spare[e->n_spare++] = h;
	else
		curl_easy_cleanup(h);
}

/* Takes the transfer out of curl. Its results can still be asked for until easy_put(). */
static CURL *detach(struct egress_transfer *t)
{
	struct egress *e = t->egress;
	CURLMcode mc = curl_multi_remove_handle(e->multi, t->easy);

	PB_ASSERT(mc == CURLM_OK);
	egress_hop_finish(t);
	pb_list_remove(&t->node);
	return t->easy;
}

/* Answers, gives the handle back and drops the thread's reference. */
static void end(struct egress_transfer *t, enum pb_status st, const struct pb_err *err)
{
	struct egress *e = t->egress;

	answer(t, st, err);
	if (t->easy)
		easy_put(e, t->easy);
	t->easy = NULL;
	egress_transfer_wipe(t);
	egress_transfer_unref(t);
}

static void start_hop(struct egress_transfer *t, CURL *easy)
{
	struct pb_err err = PB_ERR_INIT;
	struct egress *e = t->egress;
	enum pb_status st = egress_hop_setup(t, easy, &err);
	CURLMcode mc;

	if (st == PB_OK && atomic_load(&t->cancelled))
		st = pb_err_set(&err, PB_E_CANCELLED, "egress.cancelled", "cancelled");
	if (st != PB_OK) {
		egress_hop_finish(t);
		end(t, st, &err);
		return;
	}
	pb_list_append(&e->running, &t->node);
	count(&e->bytes_out, t->body_bytes);
	mc = curl_multi_add_handle(e->multi, easy);
	PB_ASSERT(mc == CURLM_OK);
}

static void hop_done(struct egress_transfer *t, CURLcode rc)
{
	struct pb_err err = PB_ERR_INIT;
	CURL *easy = detach(t);
	enum pb_status st = egress_hop_status(t, rc, &err);

	if (st == PB_OK && egress_hop_redirect(t, &st, &err) && st == PB_OK) {
		count(&t->egress->redirects, 1);
		curl_easy_reset(easy);
		start_hop(t, easy);
		return;
	}
	end(t, st, &err);
}

/* ---- the loop ---- */

static void take_submitted(struct egress *e)
{
	struct pb_list fresh;

	pb_list_init(&fresh);
	pb_lock(&e->lock);
	pb_list_splice(&fresh, &e->submitted);
	pb_unlock(&e->lock);
	for (struct pb_list *n = pb_list_pop(&fresh); n; n = pb_list_pop(&fresh)) {
		struct egress_transfer *t = pb_list_entry(n, struct egress_transfer, node);

		start_hop(t, easy_get(e));
	}
}

static void end_cancelled(struct egress_transfer *t)
{
	struct pb_err err = PB_ERR_INIT;

	(void)detach(t);
	end(t, pb_err_set(&err, PB_E_CANCELLED, "egress.cancelled", "cancelled"), &err);
}

/* A transfer in the list has a reference of the list; it may have ended meanwhile (easy is NULL). */
static void take_cancels(struct egress *e)
{
	struct pb_list fresh;

	pb_list_init(&fresh);
	pb_lock(&e->lock);
	pb_list_splice(&fresh, &e->cancels);
	pb_unlock(&e->lock);
	for (struct pb_list *n = pb_list_pop(&fresh); n; n = pb_list_pop(&fresh)) {
		struct egress_transfer *t = pb_list_entry(n, struct egress_transfer, end_node);

		if (t->easy && pb_list_linked(&t->node))
			end_cancelled(t);
		egress_transfer_unref(t);
	}
}

static void take_results(struct egress *e)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(e->multi, &left))) {
		struct egress_transfer *t = NULL;
		CURLcode rc = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		PB_CHECK_MAGIC(t, EGRESS_TRANSFER_MAGIC);
		hop_done(t, rc);
	}
}

static bool stopping(struct egress *e)
{
	bool stop;

	pb_lock(&e->lock);
	stop = e->stop;
	pb_unlock(&e->lock);
	return stop;
}

static void cancel_all(struct egress *e)
{
	take_submitted(e);
	take_cancels(e);
	while (!pb_list_empty(&e->running))
		end_cancelled(pb_list_entry(e->running.next, struct egress_transfer, node));
}

static void *loop(void *arg)
{
	struct egress *e = arg;

	while (!stopping(e)) {
		take_submitted(e);
		take_cancels(e);
		egress_loop_once(e);
		take_results(e);
	}
	cancel_all(e);
	return NULL;
}

/* ---- from any thread ---- */

enum pb_status egress_submit(struct egress *e, const struct egress_request *req,
			     egress_done_fn *done, void *arg, struct egress_transfer **ret_transfer,
			     struct pb_err *err)
{
	struct egress_transfer *t = NULL;
	enum pb_status st = egress_transfer_new(e, req, &t, err);
	bool wake = false, room;

	if (st != PB_OK) {
		if (st == PB_E_FORBIDDEN)
			count(&e->blocked, 1);
		return st;
	}
	t->done = done;
	t->arg = arg;
	if (ret_transfer)
		atomic_fetch_add(&t->refs, 1);
	pb_lock(&e->lock);
	room = e->in_flight < e->cfg.requests_max && !e->stop;
	if (room) {
		e->in_flight++;
		wake = pb_list_empty(&e->submitted);
		pb_list_append(&e->submitted, &t->node);
	}
	pb_unlock(&e->lock);
	if (!room) {
		if (ret_transfer)
			egress_transfer_unref(t);
		egress_transfer_unref(t);
		return pb_err_set(err, PB_E_LIMIT, "egress.busy",
				  "too many requests are under way");
	}
	count(&e->requests, 1);
	if (ret_transfer)
		*ret_transfer = t;
	if (wake)
		egress_loop_wake(e);
	return PB_OK;
}

void egress_cancel(struct egress_transfer *t)
{
	struct egress *e = t->egress;

	PB_CHECK_MAGIC(t, EGRESS_TRANSFER_MAGIC);
	if (atomic_exchange(&t->cancelled, true))
		return;
	atomic_fetch_add(&t->refs, 1);
	pb_lock(&e->lock);
	pb_list_append(&e->cancels, &t->end_node);
	pb_unlock(&e->lock);
	egress_loop_wake(e);
}

void egress_stats(struct egress *e, struct egress_stats *ret)
{
	*ret = (struct egress_stats){
		.requests = atomic_load(&e->requests),
		.answers = atomic_load(&e->answers),
		.failures = atomic_load(&e->failures),
		.blocked = atomic_load(&e->blocked),
		.cancelled = atomic_load(&e->cancelled),
		.redirects = atomic_load(&e->redirects),
		.connects = atomic_load(&e->connects),
		.reuses = atomic_load(&e->reuses),
		.bytes_in = atomic_load(&e->bytes_in),
		.bytes_out = atomic_load(&e->bytes_out),
	};
	pb_lock(&e->lock);
	ret->in_flight = e->in_flight;
	pb_unlock(&e->lock);
}

/* ---- start and end ---- */

static void curl_once(void)
{
	CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);

	PB_ASSERT(rc == CURLE_OK);
}

static void fill_cfg(struct egress *e, const struct egress_cfg *cfg)
{
	e->cfg = (struct egress_cfg){
		.timeout_us = cfg->timeout_us ? cfg->timeout_us : 60 * PB_USEC_PER_SEC,
		.connect_us = cfg->connect_us ? cfg->connect_us : 10 * PB_USEC_PER_SEC,
		.body_bytes = cfg->body_bytes ? cfg->body_bytes : (size_t)8 << 20,
		.request_bytes = cfg->request_bytes ? cfg->request_bytes : (size_t)8 << 20,
		.requests_max = cfg->requests_max ? cfg->requests_max : 20000,
		.per_host_max = cfg->per_host_max ? cfg->per_host_max : 256,
		.idle_connections = cfg->idle_connections ? cfg->idle_connections : 4096,
	};
	e->ca_file = cfg->ca_file && *cfg->ca_file ? pb_xstrdup(cfg->ca_file) : NULL;
	e->user_agent = pb_xstrdup(cfg->user_agent ? cfg->user_agent : "Patchbay/" PB_VERSION);
}

enum pb_status egress_new(const struct egress_cfg *cfg, struct egress **ret, struct pb_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct egress_policy *policy = NULL;
	struct egress *e;
	enum pb_status st =
		egress_policy_new(cfg->allow, cfg->n_allow, cfg->ports, cfg->n_ports, &policy, err);

	if (st != PB_OK)
		return st;

	(void)pthread_once(&once, curl_once); /* cannot fail with a good control */
	e = pb_new(struct egress);
	e->policy = policy;
	fill_cfg(e, cfg);
	pb_mutex_init(&e->lock, "egress", PB_LOCK_RANK(2, 30));
	pb_list_init(&e->submitted);
	pb_list_init(&e->cancels);
	pb_list_init(&e->running);
	e->spare = pb_xcalloc(SPARE_MAX, sizeof(*e->spare));
	e->multi = curl_multi_init();
	PB_ASSERT(e->multi);
	curl_multi_setopt(e->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)e->cfg.per_host_max);
	curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, (long)e->cfg.idle_connections);
	egress_loop_init(e);
	e->thread = pb_thread_start("egress", STACK_BYTES, loop, e);
	*ret = e;
	return PB_OK;
}

void egress_free(struct egress *e)
{
	if (!e)
		return;
	pb_lock(&e->lock);
	e->stop = true;
	pb_unlock(&e->lock);
	egress_loop_wake(e);
	pb_thread_join(e->thread);
	while (e->n_spare)
		curl_easy_cleanup(e->spare[--e->n_spare]);
	curl_multi_cleanup(e->multi);
	egress_loop_done(e);
	egress_policy_free(e->policy);
	pb_mutex_done(&e->lock);
	free(e->spare);
	free(e->ca_file);
	free(e->user_agent);
	free(e);
}
