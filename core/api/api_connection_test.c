/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /api/v1/connections/{id}/test. The surprising thing: it opens the connection itself instead of naming it to the
 * connectors, because right after an update their cache may still hold the values before it.
 */
#include "api/api_connection_test.h"

#include <stdatomic.h>

#include "api/api_body.h"
#include "api/api_resolve.h"
#include "base/clock.h"
#include "base/lock.h"
#include "connector/connector_call.h"

#include "base/base.h"

#define STATUS_REASON_MAX 500 /* as the table has it, in characters; we cut bytes */
#define LABEL_MAX         200
#define LABEL_ARENA       ((size_t)64 << 10)
/* The connectors end a call at its deadline or shortly after; who waits longer has met a bug of ours. */
#define WAIT_US (API_CONNECTION_TEST_US + 5 * PB_USEC_PER_SEC)

/* Of this process. */
static atomic_int running;

/* ---- waiting for a call ---- */

/* Shared by the request's thread and the call's done function; the last one frees. */
struct test {
	atomic_int refs;
	struct pb_mutex lock; /* over all below */
	struct pb_cond cond;
	bool done;
	enum connector_status status;
	int64_t duration_us;
	char reason[STATUS_REASON_MAX + 1], label[LABEL_MAX + 1];
};

static struct test *test_new(void)
{
	struct test *t = pb_new(struct test);

	atomic_init(&t->refs, 2);
	pb_mutex_init(&t->lock, "api.connection_test", PB_LOCK_RANK(7, 50));
	pb_cond_init(&t->cond);
	return t;
}

static void test_unref(struct test *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
		return;
	pb_cond_done(&t->cond);
	pb_mutex_done(&t->lock);
	free(t);
}
PB_DEFINE_AUTOPTR(test, test_unref);

static void copy_cut(char *to, size_t max, const char *from)
{
	size_t n = pb_utf8_cut(from, strlen(from), max);

	memcpy(to, from, n);
	to[n] = 0;
}

/* {"label": "team / user"}: whose credential that is, when the connector says so. */
static void read_label(struct test *t, const struct connector_call_result *res)
{
	const struct pb_json *output;
	const char *label;
	pb_auto_arena arena;

	pb_arena_init(&arena, LABEL_ARENA);
	if (!res->output ||
	    pb_json_parse(&arena, res->output, res->output_bytes, NULL, &output, NULL) != PB_OK)
		return;
	label = pb_json_str(pb_json_get(output, "label"));
	if (label)
		copy_cut(t->label, LABEL_MAX, label);
}

static void on_done(void *arg, const struct connector_call_result *res)
{
	struct test *t = arg;

	pb_lock(&t->lock);
	t->done = true;
	t->status = res->status;
	t->duration_us = res->duration_us;
	copy_cut(t->reason, STATUS_REASON_MAX, res->message);
	if (res->status == CONNECTOR_OK)
		read_label(t, res);
	pb_cond_signal(&t->cond);
	pb_unlock(&t->lock);
	test_unref(t);
}

static bool await(struct test *t)
{
	int64_t until = pb_mono_us() + WAIT_US;
	bool done;

	pb_lock(&t->lock);
	while (!t->done && pb_cond_wait_until(&t->cond, &t->lock, until))
		;
	done = t->done;
	pb_unlock(&t->lock);
	return done;
}

/* ---- running it ---- */

static enum pb_status start(struct api *api, const struct store_connection *c,
			    struct connector_action *action, struct connector_connection *opened,
			    struct test *t, struct connector_call **ret, struct pb_err *err)
{
	char key[PB_UUID_TEXT_BYTES];
	const struct connector_call_request req = {
		.tenant = c->tenant,
		.execution = PB_UUID_NIL,
		.step = "connection test",
		.action = action,
		.opened = opened,
		.idempotency_key = key,
		.deadline_us = pb_mono_us() + API_CONNECTION_TEST_US,
		.repeatable = true,
	};
	enum pb_status st;

	pb_uuid_format(pb_uuid7(), key);
	st = connector_call_start(api->cfg.connectors, &req, on_done, t, ret, err);
	if (st != PB_OK)
		test_unref(t); /* on_done does not come */
	if (st == PB_E_LIMIT)
		return pb_err_set(err, PB_E_UNAVAILABLE, "connector.busy",
				  "too many calls are under way");
	return st;
}

/* *ret_test: done. */
static enum pb_status run(struct api *api, const struct store_connection *c,
			  struct connector_action *action, struct test **ret_test,
			  struct pb_err *err)
{
	pb_autoptr(connector_connection) opened = NULL;
	pb_autoptr(connector_call) call = NULL;
	pb_autoptr(test) t = NULL;
	enum pb_status st = api_resolve_open(api->cfg.vault, c, &opened, err);

	if (st != PB_OK)
		return st;

	t = test_new();
	st = start(api, c, action, opened, t, &call, err);
	if (st != PB_OK)
		return st;
	if (!await(t)) {
		connector_call_cancel(call);
		return pb_err_set(err, PB_E_UNAVAILABLE, "connector.unavailable",
				  "the test did not end");
	}
	*ret_test = pb_steal(t);
	return PB_OK;
}

/* ---- the outcome ---- */

/* False when the test did not run, which says nothing about the credential. */
static bool judge(const struct test *t, enum store_connection_status *ret)
{
	switch (t->status) {
	case CONNECTOR_OK:
		*ret = STORE_CONNECTION_OK;
		return true;
	case CONNECTOR_AUTH_EXPIRED:
	case CONNECTOR_AUTH_DENIED:
		*ret = STORE_CONNECTION_NEEDS_RECONNECT;
		return true;
	case CONNECTOR_UNSUPPORTED:
	case CONNECTOR_CANCELLED:
	case CONNECTOR_IS_DISABLED:
	case CONNECTOR_QUARANTINED:
	case CONNECTOR_UNAVAILABLE:
		return false;
	default:
		*ret = STORE_CONNECTION_FAILED;
		return true;
	}
}

/* What was tried may not be what is stored by now. */
static enum pb_status keep(struct api *api, struct http_req *req, const struct store_connection *c,
			   enum store_connection_status status, const char *reason,
			   struct pb_err *err)
{
	struct store_connection now;
	enum pb_status st = store_connection_get(api->cfg.api_pool, c->tenant, c->id,
						 http_req_arena(req), &now, err);

	if (st != PB_OK || now.revision != c->revision)
		return st;
	return store_connection_set_status(api->cfg.api_pool, c->tenant, c->id, status, reason,
					   err);
}

static void write_outcome(const struct test *t, enum store_connection_status status,
			  struct api_answer *answer)
{
	struct pb_jw w;

	pb_jw_init(&w, &answer->data);
	pb_jw_object(&w);
	api_put_str(&w, "status", api_connection_status_name(status));
	api_put_str(&w, "status_reason", status == STORE_CONNECTION_OK ? NULL : t->reason);
	if (*t->label)
		api_put_str(&w, "label", t->label);
	api_put_int(&w, "duration_ms", t->duration_us / PB_USEC_PER_MSEC);
	pb_jw_end(&w);
	answer->status = 200;
	answer->message = status == STORE_CONNECTION_OK ? "ok" : "the test failed";
}

/* It did not run: why is not the credential's affair. */
static enum pb_status refuse(const struct test *t, struct pb_err *err)
{
	switch (t->status) {
	case CONNECTOR_UNSUPPORTED:
		return pb_err_set(err, PB_E_UNPROCESSABLE, "connection.no_test", "%.200s",
				  t->reason);
	case CONNECTOR_IS_DISABLED:
	case CONNECTOR_QUARANTINED:
		return pb_err_set(err, PB_E_UNAVAILABLE, connector_status_code(t->status), "%.200s",
				  t->reason);
	default:
		return pb_err_set(err, PB_E_UNAVAILABLE, "connector.unavailable", "%.200s",
				  t->reason);
	}
}

static enum pb_status answer_with(struct api *api, struct http_req *req,
				  const struct store_connection *c, const struct test *t,
				  struct api_answer *answer, struct pb_err *err)
{
	enum store_connection_status status;
	enum pb_status st;

	if (!judge(t, &status))
		return refuse(t, err);
	st = keep(api, req, c, status, status == STORE_CONNECTION_OK ? "" : t->reason, err);
	if (st == PB_OK)
		write_outcome(t, status, answer);
	return st;
}

static enum pb_status test_one(struct api *api, struct http_req *req,
			       const struct store_connection *c, struct api_answer *answer,
			       struct pb_err *err)
{
	pb_autoptr(connector_action) action = NULL;
	pb_autoptr(test) t = NULL;
	enum pb_status st = connector_registry_test(connectors_registry(api->cfg.connectors),
						    c->connector, NULL, c->auth_type, &action, err);

	if (st == PB_E_NOT_FOUND) /* the connector is not installed (any more) */
		st = pb_err_set(err, PB_E_UNAVAILABLE, "connector.unavailable",
				"the connector \"%.64s\" is not installed", c->connector);
	if (st == PB_OK)
		st = run(api, c, action, &t, err);
	if (st == PB_OK)
		st = answer_with(api, req, c, t, answer, err);
	return st;
}

enum pb_status api_connection_test(struct api *api, struct http_req *req,
				   const struct store_connection *c, struct api_answer *answer,
				   struct pb_err *err)
{
	enum pb_status st;

	if (atomic_fetch_add(&running, 1) < API_CONNECTION_TEST_MAX)
		st = test_one(api, req, c, answer, err);
	else
		st = pb_err_set(err, PB_E_UNAVAILABLE, "connection.test_busy",
				"too many connections are being tested");
	atomic_fetch_sub(&running, 1);
	return st;
}
