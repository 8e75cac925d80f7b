/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes that make or change something by POST: once per Idempotency-Key. The first answer is kept for a day and
 * given again, so a client that lost the answer may simply ask again. The surprising thing: only successes are
 * kept. A failure gives the key back, because the same request may succeed after the cause is gone.
 */
#include "api/api_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/crypto_hash.h"
#include "store/store_idempotency.h"

#include "base/base.h"

PB_LOG_TOPIC("api.create");

#define KEEP_US      (24 * 60 * PB_USEC_PER_MIN)
#define BUSY_US      (2 * PB_USEC_PER_MIN)
#define KEY_MAX      255
#define ANSWER_BYTES ((size_t)16 * 1024 * 1024)

/* What names one attempt in the table. */
struct creation {
	const char *scope;
	uint8_t key_hash[STORE_HASH_BYTES];
	uint8_t request_hash[STORE_HASH_BYTES];
};

/* A key of printable ASCII; false when it has answered. *ret NULL: none was sent. */
static bool read_key(struct http_req *req, const char **ret)
{
	const char *key = http_req_header(req, "Idempotency-Key");
	size_t n = key ? strlen(key) : 1;
	bool ok = n >= 1 && n <= KEY_MAX && http_req_header_repeats(req, "Idempotency-Key") <= 1;

	for (const char *p = key; ok && p && *p; p++)
		ok = *p > 0x20 && *p < 0x7f;
	if (!ok)
		http_reply_fail(
			req, PB_E_INVALID, "idempotency.key_invalid",
			"Idempotency-Key must be one value of 1 to 255 printable characters");
	*ret = key;
	return ok;
}

/* The request hash is keyed: bodies may hold short secrets that a bare hash would give away to guessing. */
static bool read_creation(struct api *api, struct http_req *req, const char *scope, const char *key,
			  struct creation *c)
{
	struct pb_err err = PB_ERR_INIT;
	struct pb_slice parts[4];

	parts[0] = PB_SLICE("idempotency");
	parts[1] = pb_slice_str(http_req_method_name(req));
	parts[2] = pb_slice_str(http_req_target(req));
	if (http_req_body(req, &parts[3], &err) != PB_OK) {
		http_reply_error(req, &err);
		return false;
	}
	c->scope = pb_arena_printf(http_req_arena(req), "api:%s", scope);
	crypto_sha256(key, strlen(key), c->key_hash);
	crypto_blake2b_parts(api->cfg.cursor_subkey, parts, PB_ARRAY_LEN(parts), c->request_hash);
	if (c->scope)
		return true;
	http_reply_fail(req, PB_E_TOO_LARGE, "request.too_large", "the request is too large");
	return false;
}

static void replay(struct http_req *req, const struct store_idempotency_answer *kept)
{
	http_reply_header(req, "Idempotency-Replayed", "true");
	if (kept->http_status == 204)
		http_reply_empty(req, 204);
	else
		http_reply_data(req, kept->http_status, "done before", kept->body.p,
				kept->body.len);
}

/* True when this request is the first with its key. */
static bool begin(struct api *api, struct http_req *req, const struct creation *c)
{
	struct store_idempotency_answer kept = {0};
	struct pb_err err = PB_ERR_INIT;
	enum store_idempotency found;

	if (store_idempotency_begin(api->cfg.api_pool, api_actor(req)->tenant, c->scope,
				    c->key_hash, c->request_hash, KEEP_US, BUSY_US,
				    http_req_arena(req), &found, &kept, &err) != PB_OK) {
		api_fail(req, &err);
		return false;
	}
	switch (found) {
	case STORE_IDEM_NEW:
		return true;
	case STORE_IDEM_DONE:
		replay(req, &kept);
		break;
	case STORE_IDEM_BUSY:
		http_reply_header(req, "Retry-After", "1");
		http_reply_fail(req, PB_E_CONFLICT, "idempotency.in_progress",
				"the first request with this Idempotency-Key is still under way");
		break;
	case STORE_IDEM_CONFLICT:
		http_reply_fail(req, PB_E_CONFLICT, "idempotency.conflict",
				"this Idempotency-Key was used for a different request");
		break;
	}
	return false;
}

static struct pb_slice kept_text(const struct api_answer *a)
{
	const struct pb_buf *b = a->stored.len ? &a->stored : &a->data;

	return pb_slice(pb_buf_str(b), b->len);
}

/* Failing to keep the answer does not undo the work: the client gets its answer, a repeat finds the key busy. */
static void finish(struct api *api, struct http_req *req, const struct creation *c,
		   enum pb_status st, const struct api_answer *a)
{
	struct pb_uuid tenant = api_actor(req)->tenant;
	struct pb_err err = PB_ERR_INIT;
	enum pb_status kept;

	if (st == PB_OK)
		kept = store_idempotency_finish(api->cfg.api_pool, tenant, c->scope, c->key_hash,
						a->status, kept_text(a), &err);
	else if (st == PB_E_TIMEOUT)
		return; /* perhaps it was done: the key stays busy for a while */
	else
		kept = store_idempotency_abandon(api->cfg.api_pool, tenant, c->scope, c->key_hash,
						 &err);
	if (kept != PB_OK)
		pb_log(PB_LOG_WARN, "idempotency key not settled, ignoring",
		       PB_KV_STR("error.code", err.code),
		       PB_KV_STR("http.request.id", http_req_id(req)),
		       PB_KV_UUID("patchbay.tenant_id", tenant));
}

static void reply(struct http_req *req, enum pb_status st, const struct api_answer *a,
		  const struct pb_err *err)
{
	if (st != PB_OK && http_replied(req))
		return;
	if (st != PB_OK)
		api_fail(req, err);
	else if (a->status == 204)
		http_reply_empty(req, 204);
	else
		http_reply_buf(req, a->status, a->message, &a->data);
}

/* What is not kept is secret: it does not stay in freed memory either. */
static void answer_done(struct api_answer *a)
{
	if (a->stored.len && a->data.p)
		crypto_wipe(a->data.p, a->data.len);
	pb_buf_done(&a->data);
	pb_buf_done(&a->stored);
}

void api_create(struct api *api, struct http_req *req, const char *scope, api_create_fn *create)
{
	struct api_answer answer = {.status = 201};
	struct pb_err err = PB_ERR_INIT;
	const struct pb_json *body;
	struct creation c = {0};
	const char *key;
	enum pb_status st;

	if (!read_key(req, &key) || !api_body_object_or_empty(req, &body))
		return;
	if (key && (!read_creation(api, req, scope, key, &c) || !begin(api, req, &c)))
		return;
	pb_buf_init(&answer.data, ANSWER_BYTES);
	pb_buf_init(&answer.stored, STORE_IDEM_BODY_BYTES);
	st = create(api, req, body, &answer, &err);
	if (key)
		finish(api, req, &c, st, &answer);
	reply(req, st, &answer, &err);
	answer_done(&answer);
}

bool api_accept_key(struct http_req *req, const char *what, struct pb_uuid id,
		    struct engine_accept_request *ret)
{
	char text[PB_UUID_TEXT_BYTES];
	struct pb_err err = PB_ERR_INIT;
	struct pb_slice parts[2];
	const char *key;

	if (!read_key(req, &key))
		return false;
	if (!key)
		return true;
	if (http_req_body(req, &parts[1], &err) != PB_OK) {
		http_reply_error(req, &err);
		return false;
	}
	pb_uuid_format(id, text);
	parts[0] = pb_slice_str(text);
	ret->idempotency_scope =
		pb_slice_str(pb_arena_printf(http_req_arena(req), "%s:%s", what, text));
	crypto_sha256(key, strlen(key), ret->idempotency_key_hash);
	crypto_blake2b_parts(NULL, parts, PB_ARRAY_LEN(parts), ret->idempotency_request_hash);
	if (ret->idempotency_scope.p)
		return true;
	http_reply_fail(req, PB_E_TOO_LARGE, "request.too_large", "the request is too large");
	return false;
}
