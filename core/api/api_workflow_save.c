/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What saving and showing workflows have in common: the check of a definition, hook tokens, the answer. The check
 * needs more stack than a web server's thread has, so it runs on a deep thread while the request's thread waits.
 */
#include "api/api_workflow.h"

#include "auth/hook_token.h"
#include "base/log.h"
#include "crypto/crypto_secret.h"
#include "engine/engine.h"
#include "vault/vault.h"

#include "base/base.h"

PB_LOG_TOPIC("api.workflow");

#define CHECK_ARENA_BYTES ((size_t)64 * 1024 * 1024)
#define PROBLEMS_MAX      100
#define HOOK_ROW_VERSION  1 /* a new token is a new seal of the same row */

/* ---- checking ---- */

struct check_job {
	struct api *api;
	struct pb_uuid tenant;
	const struct pb_json *definition;
	struct pb_buf text;
	struct pb_arena arena; /* of the check alone: it may take more than a request */
	struct pb_problems problems;
	const char *name, *trigger_type;
	enum pb_status status;
	struct pb_err err;
};

static void run_check(void *arg)
{
	struct check_job *job = arg;

	if (!pb_json_write(&job->text, job->definition)) {
		job->status =
			pb_err_set(&job->err, PB_E_TOO_LARGE, "workflow.too_large",
				   "a definition has at most %d bytes", STORE_DEFINITION_BYTES);
		return;
	}
	job->status = engine_check_workflow(
		job->api->cfg.engine, job->tenant, pb_slice(pb_buf_str(&job->text), job->text.len),
		&job->arena, &job->problems, &job->name, &job->trigger_type, &job->err);
}

/* The client sees pointers into what it sent. */
static void prefix_pointers(struct pb_problems *problems)
{
	for (struct pb_problem *p = problems->first; p; p = p->next) {
		const char *full = pb_arena_printf(problems->arena, "/definition%s", p->pointer);

		p->pointer = full ? full : "/definition";
	}
}

static bool take_result(struct http_req *req, struct check_job *job, struct pb_arena *a,
			struct api_definition *ret)
{
	const char *text = pb_arena_memdup(a, pb_buf_str(&job->text), job->text.len);

	ret->name = pb_arena_strdup(a, job->name);
	ret->trigger_type = pb_arena_strdup(a, job->trigger_type);
	ret->text = pb_slice(text, job->text.len);
	if (text && ret->name && ret->trigger_type)
		return true;
	http_reply_fail(req, PB_E_TOO_LARGE, "workflow.too_large", "the definition is too large");
	return false;
}

static bool judge(struct http_req *req, struct check_job *job, struct pb_arena *arena,
		  struct api_definition *ret)
{
	if (job->status == PB_OK)
		return take_result(req, job, arena, ret);
	if (job->status == PB_E_UNPROCESSABLE) {
		prefix_pointers(&job->problems);
		http_reply_problems(req, 422, "the workflow cannot be saved: see errors",
				    &job->problems);
	} else {
		api_fail(req, &job->err);
	}
	return false;
}

bool api_definition_read(struct api *api, struct http_req *req, const struct pb_json *body,
			 struct pb_arena *arena, struct api_definition *ret)
{
	struct check_job job = {.api = api, .tenant = api_actor(req)->tenant, .err = PB_ERR_INIT};
	struct pb_err err = PB_ERR_INIT;
	bool ok = false;

	if (!api_field_object(req, body, "definition", true, &job.definition))
		return false;
	pb_buf_init(&job.text, STORE_DEFINITION_BYTES);
	pb_arena_init(&job.arena, CHECK_ARENA_BYTES);
	pb_problems_init(&job.problems, &job.arena, PROBLEMS_MAX);
	if (api_offload_run(api->offload, run_check, &job, &err) == PB_OK)
		ok = judge(req, &job, arena, ret);
	else
		api_fail(req, &err);
	pb_arena_done(&job.arena);
	pb_buf_done(&job.text);
	return ok;
}

/* ---- hook tokens ---- */

static struct vault_place hook_place(struct pb_uuid tenant, struct pb_uuid workflow)
{
	return (struct vault_place){.table = "hook",
				    .column = "token_sealed",
				    .tenant = tenant,
				    .row = workflow,
				    .row_version = HOOK_ROW_VERSION};
}

enum pb_status api_hook_token_make(struct api *api, struct pb_uuid tenant, struct pb_uuid workflow,
				   struct pb_arena *arena, struct store_hook_token *ret,
				   struct pb_err *err)
{
	struct vault_place place = hook_place(tenant, workflow);
	pb_autofree uint8_t *sealed = NULL;
	char token[HOOK_TOKEN_BYTES];
	enum pb_status st;
	size_t n = 0;

	hook_token_generate(token);
	hook_token_hash(api->cfg.hook_subkey, token, strlen(token), ret->hash);
	st = vault_seal(api->cfg.vault, &place, token, strlen(token), &sealed, &n, err);
	crypto_wipe(token, sizeof(token));
	if (st != PB_OK)
		return st;
	ret->sealed = pb_slice(pb_arena_memdup(arena, sealed, n), n);
	return ret->sealed.p ? PB_OK
			     : pb_err_set(err, PB_E_TOO_LARGE, "request.too_large",
					  "the request is too large");
}

static enum pb_status put_hook_url(struct api *api, struct http_req *req,
				   const struct store_workflow *wf, struct pb_jw *w,
				   struct pb_err *err)
{
	struct pb_uuid tenant = api_actor(req)->tenant;
	struct vault_place place = hook_place(tenant, wf->id);
	pb_autoptr(crypto_secret) token = NULL;
	struct pb_slice sealed;
	char url[sizeof(api->base_url) + 64];
	enum pb_status st;

	st = store_hook_sealed(api->cfg.api_pool, tenant, wf->id, http_req_arena(req), &sealed,
			       err);
	if (st == PB_OK)
		st = vault_open(api->cfg.vault, &place, sealed.p, sealed.len, &token, err);
	if (st == PB_E_NOT_FOUND) {
		api_put_str(w, "hook_url", NULL);
		return PB_OK;
	}
	if (st != PB_OK)
		return st;
	(void)pb_str_printf(url, sizeof(url), "%s/hooks/%s", api->base_url,
			    (const char *)crypto_secret_bytes(token));
	api_put_str(w, "hook_url", url);
	crypto_wipe(url, sizeof(url));
	return PB_OK;
}

/* ---- the answer ---- */

enum pb_status api_workflow_write(struct api *api, struct http_req *req, unsigned parts,
				  const struct store_workflow *wf, struct pb_jw *w,
				  struct pb_err *err)
{
	bool may_see = auth_actor_may(api_actor(req), TENANT_HOOK_READ);
	enum pb_status st = PB_OK;

	pb_jw_object(w);
	api_put_uuid(w, "id", wf->id);
	api_put_str(w, "name", wf->name);
	api_put_bool(w, "active", wf->active);
	api_put_int(w, "version", wf->latest_version);
	pb_jw_key(w, "published_version");
	if (wf->published_version > 0)
		pb_jw_int(w, wf->published_version);
	else
		pb_jw_null(w);
	api_put_int(w, "revision", wf->revision);
	api_put_str(w, "trigger_type", wf->trigger_type);
	if ((parts & API_WORKFLOW_HOOK_URL) && may_see && pb_str_eq(wf->trigger_type, "webhook"))
		st = put_hook_url(api, req, wf, w, err);
	else if (parts & (API_WORKFLOW_HOOK_URL | API_WORKFLOW_HOOK_HIDDEN))
		api_put_str(w, "hook_url", NULL);
	api_put_uuid(w, "created_by", wf->created_by);
	api_put_time(w, "created_at", wf->created_at);
	api_put_time(w, "updated_at", wf->updated_at);
	/* a key that may only switch or rotate sees no steps; nor does one that only saves */
	if ((parts & API_WORKFLOW_DEFINITION) &&
	    auth_actor_may(api_actor(req), TENANT_WORKFLOW_READ))
		api_put_raw(w, "definition", wf->definition);
	pb_jw_end(w);
	return st;
}

void api_workflow_etag(struct http_req *req, const struct store_workflow *wf)
{
	http_reply_headerf(req, "ETag", "\"%lld\"", (long long)wf->revision);
}

void api_workflow_write_saved(struct api *api, struct http_req *req,
			      const struct store_workflow *wf, struct pb_buf *out)
{
	struct pb_err err = PB_ERR_INIT;
	struct pb_jw w;

	pb_jw_init(&w, out);
	if (api_workflow_write(api, req, API_WORKFLOW_DEFINITION | API_WORKFLOW_HOOK_URL, wf, &w,
			       &err) == PB_OK)
		return;
	pb_log(PB_LOG_WARN, "hook address not shown, ignoring", PB_KV_STR("error.code", err.code),
	       PB_KV_UUID("patchbay.workflow_id", wf->id));
	pb_buf_clear(out);
	pb_jw_init(&w, out);
	(void)api_workflow_write(api, req, API_WORKFLOW_DEFINITION | API_WORKFLOW_HOOK_HIDDEN, wf,
				 &w, &err); /* fails on the hook's address only */
}

void api_workflow_changed(struct api *api, const struct store_workflow *wf)
{
	api_tell_changed(api, "workflow", wf->id);
	if (pb_str_eq(wf->trigger_type, "webhook"))
		api_tell_changed(api, "hook", wf->id);
}

struct pb_uuid api_workflow_author(struct http_req *req)
{
	const struct auth_actor *actor = api_actor(req);

	return pb_uuid_is_nil(actor->user_id) ? actor->id : actor->user_id;
}
