/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of connectors share: a host with real runners and plugins from the build, an upstream
 * in the process, calls that wait, and a clock for what happens later.
 */
#ifndef PB_TESTS_CONNECTOR_HOST_H
#define PB_TESTS_CONNECTOR_HOST_H

#include "connector/connector_admin.h"
#include "connector/connector_call.h"
#include "crypto/crypto_secret.h"
#include "unit/egress/mini_http.h"
#include "base/id.h"
#include "base/log.h"
#include "egress/egress.h"

#define TOKEN "s3cret-canary-91827"

struct result {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int calls;
	enum connector_status status;
	enum connector_effect effect;
	bool repeatable, charged;
	struct pb_buf output;
	char code[64], message[512], pointer[128];
	int http_status;
	int64_t retry_after_us, duration_us;
	uint32_t restarts;
	size_t n_log;
	char log[512];
};

struct host {
	struct egress *egress;
	struct connectors *c;
	struct mini_http *upstream;
	atomic_int ready, saved_states, saved_quarantines, failed_saves;
	atomic_bool fail_saves;
	char dir[256], last_reason[256];
	pthread_mutex_t kv_lock;
	char kv[64];
	size_t kv_n;
	uint64_t kv_revision;
	struct pb_uuid tenant, connection;
	atomic_uint next_key;
};

static pb_unused void result_init(struct result *r)
{
	*r = (struct result){0};
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->cond, NULL);
}

static pb_unused void result_done(struct result *r)
{
	pb_buf_done(&r->output);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->cond);
}

static void copy_text(char *to, size_t cap, const char *from)
{
	(void)pb_str_copy(to, cap, from ? from : "");
}

static void on_result(void *arg, const struct connector_call_result *res)
{
	struct result *r = arg;

	pthread_mutex_lock(&r->lock);
	r->calls++;
	r->status = res->status;
	r->effect = res->effect;
	r->repeatable = res->repeatable;
	r->charged = res->attempt_charged;
	pb_buf_clear(&r->output);
	if (res->output)
		(void)pb_buf_add(&r->output, res->output, res->output_bytes);
	copy_text(r->code, sizeof(r->code), res->code);
	copy_text(r->message, sizeof(r->message), res->message);
	copy_text(r->pointer, sizeof(r->pointer), res->pointer);
	r->http_status = res->http_status;
	r->retry_after_us = res->retry_after_us;
	r->duration_us = res->duration_us;
	r->restarts = res->restarts;
	r->n_log = res->n_log;
	copy_text(r->log, sizeof(r->log), res->n_log ? res->log[0].message : "");
	pthread_cond_broadcast(&r->cond);
	pthread_mutex_unlock(&r->lock);
}

static pb_unused void result_wait(struct result *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->calls == 0)
		pthread_cond_wait(&r->cond, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

/* ---- callbacks ---- */

static enum pb_status resolve(void *arg, struct pb_uuid tenant, const char *name,
			      struct connector_connection **ret, struct pb_err *err)
{
	struct host *h = arg;
	bool http = strcmp(name, "web") == 0;
	struct crypto_secret *s;
	char secret[200];

	if (!pb_uuid_eq(tenant, h->tenant) ||
	    (strcmp(name, "main") != 0 && strcmp(name, "slack") != 0 && !http))
		return pb_err_set(err, PB_E_NOT_FOUND, "connection.not_found",
				  "no such connection");
	(void)pb_str_printf(secret, sizeof(secret), "{\"token\":\"%s\"%s}", TOKEN,
			    http ? ",\"host\":\"127.0.0.1\"" : "");
	s = crypto_secret_copy(secret, strlen(secret));
	return connector_connection_new(h->connection,
					http                    ? "http"
					: strcmp(name, "slack") ? "odd"
								: "slack",
					http                    ? "bearer"
					: strcmp(name, "slack") ? "token"
								: "bot",
					"{}", s, ret, err);
}

static enum pb_status save_state(void *arg, const char *id, enum connector_state st,
				 struct pb_err *err)
{
	struct host *h = arg;

	(void)id;
	(void)st;
	(void)err;
	atomic_fetch_add(&h->saved_states, 1);
	return PB_OK;
}

static enum pb_status save_quarantine(void *arg, const struct connector_quarantine *q,
				      struct pb_err *err)
{
	struct host *h = arg;

	if (atomic_load(&h->fail_saves)) {
		atomic_fetch_add(&h->failed_saves, 1);
		return pb_err_set(err, PB_E_UNAVAILABLE, "test.away", "the database is away");
	}
	pthread_mutex_lock(&h->kv_lock);
	copy_text(h->last_reason, sizeof(h->last_reason), q->reason);
	pthread_mutex_unlock(&h->kv_lock);
	atomic_fetch_add(&h->saved_quarantines, 1);
	return PB_OK;
}

static enum pb_status kv_get(void *arg, const struct connector_kv_key *key, char **ret_value,
			     size_t *ret_n, uint64_t *ret_revision, struct pb_err *err)
{
	struct host *h = arg;

	(void)key;
	(void)err;
	pthread_mutex_lock(&h->kv_lock);
	*ret_value = h->kv_revision ? pb_xmemdup(h->kv, h->kv_n) : NULL;
	*ret_n = h->kv_n;
	*ret_revision = h->kv_revision;
	pthread_mutex_unlock(&h->kv_lock);
	return PB_OK;
}

static enum pb_status kv_put(void *arg, const struct connector_kv_key *key, const char *value,
			     size_t n, uint64_t revision, uint64_t *ret_revision,
			     struct pb_err *err)
{
	struct host *h = arg;
	bool won;

	(void)key;
	pthread_mutex_lock(&h->kv_lock);
	won = revision == h->kv_revision && n < sizeof(h->kv);
	if (won) {
		memcpy(h->kv, value, n);
		h->kv_n = n;
		h->kv_revision++;
	}
	*ret_revision = h->kv_revision;
	pthread_mutex_unlock(&h->kv_lock);
	return won ? PB_OK : pb_err_set(err, PB_E_PRECONDITION, "kv.conflict", "conflict");
}

static void on_ready(void *arg, const char *connector)
{
	struct host *h = arg;

	(void)connector;
	atomic_fetch_add(&h->ready, 1);
}

/* ---- the host ---- */

static pb_unused struct host *host_start(const struct connectors_cfg *over)
{
	static const char *const allow[] = {"127.0.0.0/8"};
	static const char *const ports[] = {"1024-65535"};
	const struct egress_cfg ecfg = {
		.allow = allow, .n_allow = 1, .ports = ports, .n_ports = 1, .per_host_max = 4096};
	struct connectors_cfg cfg = over ? *over : (struct connectors_cfg){0};
	struct host *h = pb_new(struct host);
	struct pb_err err = PB_ERR_INIT;
	enum pb_status st;

	crypto_init();
	pb_log_set_level(PB_LOG_ERROR);
	pthread_mutex_init(&h->kv_lock, NULL);
	h->tenant = pb_uuid7();
	h->connection = pb_uuid7();
	h->upstream = mini_start();
	st = egress_new(&ecfg, &h->egress, &err);
	PB_ASSERT(st == PB_OK);
	cfg.runner_path = PB_BINARY_DIR "/bin/patchbay-runner";
	cfg.connector_dir = PB_BINARY_DIR "/plugins";
	cfg.egress = h->egress;
	cfg.ops = (struct connector_ops){.arg = h,
					 .resolve_connection = resolve,
					 .save_state = save_state,
					 .save_quarantine = save_quarantine,
					 .kv_get = kv_get,
					 .kv_put = kv_put,
					 .on_ready = on_ready};
	st = connectors_new(&cfg, &h->c, NULL, &err);
	if (st != PB_OK)
		fprintf(stderr, "%s\n", err.msg);
	PB_ASSERT(st == PB_OK);
	return h;
}

static pb_unused void host_stop(struct host *h)
{
	connectors_free(h->c);
	egress_free(h->egress);
	mini_stop(h->upstream);
	pthread_mutex_destroy(&h->kv_lock);
	free(h);
}

/* ---- calls ---- */

struct ask {
	const char *action, *params, *connection, *key;
	int64_t timeout_us;
	struct pb_uuid tenant; /* nil: the host's */
	bool dry_run, repeatable;
	bool (*may_leave)(void *arg); /* with the struct result */
};

static pb_unused void start(struct host *h, const struct ask *a, struct result *r,
			    struct connector_call **ret)
{
	pb_autoptr(connector_action) action = NULL;
	struct pb_err err = PB_ERR_INIT;
	char key[64];
	enum pb_status st = connector_registry_action(connectors_registry(h->c), a->action, NULL,
						      &action, &err);
	struct connector_call_request req = {
		.tenant = pb_uuid_is_nil(a->tenant) ? h->tenant : a->tenant,
		.execution = pb_uuid7(),
		.step = "step",
		.action = action,
		.params = a->params ? a->params : "{}",
		.params_bytes = a->params ? strlen(a->params) : 2,
		.connection = a->connection,
		.idempotency_key = a->key ? a->key : key,
		.deadline_us =
			pb_mono_us() + (a->timeout_us ? a->timeout_us : 30 * PB_USEC_PER_SEC),
		.dry_run = a->dry_run,
		.repeatable = a->repeatable,
		.may_leave = a->may_leave,
	};

	if (st != PB_OK)
		fprintf(stderr, "%s: %s\n", a->action, err.msg);
	PB_ASSERT(st == PB_OK);
	(void)pb_str_printf(key, sizeof(key), "key-%u", atomic_fetch_add(&h->next_key, 1));
	result_init(r);
	st = connector_call_start(h->c, &req, on_result, r, ret, &err);
	PB_ASSERT(st == PB_OK);
}

static pb_unused void call(struct host *h, const struct ask *a, struct result *r)
{
	start(h, a, r, NULL);
	result_wait(r);
}

static pb_unused enum connector_status status_of_call(struct host *h, const struct ask *a)
{
	struct result r;
	enum connector_status st;

	call(h, a, &r);
	st = r.status;
	result_done(&r);
	return st;
}

/* {"url":"http://127.0.0.1:port<path>"} in a ring of buffers. */
static pb_unused const char *url_params(struct host *h, const char *path)
{
	static char ring[16][256];
	static unsigned next;
	char *out = ring[next++ % 16];

	(void)pb_str_printf(out, sizeof(ring[0]), "{\"url\":\"http://127.0.0.1:%u%s\"}",
			    h->upstream->port, path);
	return out;
}

#endif
