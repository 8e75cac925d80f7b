/* SPDX-License-Identifier: Apache-2.0 */
/* What the API's own files share: the object, the actor, deep work, cursors, idempotent creation. */
#ifndef PB_API_INTERNAL_H
#define PB_API_INTERNAL_H

#include "api/api.h"
#include "api/api_offload.h"
#include "auth/auth.h"
#include "base/json.h"
#include "engine/engine.h"
#include "http/http_reply.h"
#include "http/http_request.h"
#include "tenant/tenant_role.h"

struct api_hooks;

struct api {
	uint32_t magic;
	struct api_cfg cfg;
	struct api_hooks *hooks;
	struct api_offload *offload;
	char base_url[256];
	struct pb_buf docs; /* the page of /api/docs */
	int64_t started_us;
};
#define API_MAGIC 0x41504921u

/* For http_route.permission: NULL = public. API_NEEDS(WORKFLOW_READ) points at the constant itself. */
extern const enum tenant_permission api_permissions[TENANT_PERMISSION_COUNT];
#define API_NEEDS(p) (&api_permissions[TENANT_##p])

/* Route flags of ours. */
enum {
	API_ROUTE_NO_AUTH = HTTP_ROUTE_USER, /* no credentials are looked at */
};

/* Who is asking; set by api_before on every route that is not API_ROUTE_NO_AUTH. */
const struct auth_actor *api_actor(const struct http_req *req);

/*
 * The body as a JSON object, strictly read into the request's arena. False when it has answered:
 * 415 http.content_type, 400 json.*, 400 request.not_an_object, 413.
 */
bool api_body_object(struct http_req *req, const struct pb_json **ret);
/* The same; an empty body is {}. */
bool api_body_object_or_empty(struct http_req *req, const struct pb_json **ret);
/* Refuses members that are not in the NULL-ended list @names: 400 request.field_unknown with the pointer. */
bool api_only_fields(struct http_req *req, const struct pb_json *body, const char *const *names);

/* Cursors of lists: opaque to clients, bound to tenant and route so that they fit nowhere else. */
#define API_CURSOR_BYTES 96
void api_cursor_write(struct api *api, struct pb_uuid tenant, const char *list, struct pb_uuid last,
		      char out[API_CURSOR_BYTES]);
/* ?cursor= and ?limit= (1..200, default 50); nil without a cursor. False when it has answered (400). */
bool api_page_query(struct api *api, struct http_req *req, const char *list,
		    struct pb_uuid *ret_before, int *ret_limit);

/* What a creating route answers with; body is JSON for "data". */
struct api_answer {
	int status;
	const char *message;
	struct pb_buf data;
	struct pb_buf
		stored; /* when not empty: kept for a repeated Idempotency-Key instead of data (no secrets) */
};
/*
 * Creating routes: does the work once for an Idempotency-Key and gives the kept answer to repeats.
 * @create fills @answer; on failure it fills @err, or answers itself (problems) and returns
 * PB_E_CANCELLED.
 */
typedef enum pb_status api_create_fn(struct api *api, struct http_req *req,
				     const struct pb_json *body, struct api_answer *answer,
				     struct pb_err *err);
void api_create(struct api *api, struct http_req *req, const char *scope, api_create_fn *create);

/*
 * Routes that make an execution: their Idempotency-Key goes into the accepting transaction itself, so a repeat finds
 * the very execution. False when it has answered.
 */
bool api_accept_key(struct http_req *req, const char *what, struct pb_uuid id,
		    struct engine_accept_request *ret);

/*
 * What was changed here (kind and id as api_config_changed has them): this host obeys before the answer goes out,
 * the others when the bus tells them.
 */
void api_tell_changed(struct api *api, const char *kind, struct pb_uuid id);

/*
 * Before the database is asked about a key or a hook that is not in memory: who tries many has a limit an address.
 * *ret_retry_us: when one more may be tried.
 */
bool api_may_look_up(struct api *api, struct http_req *req, int64_t *ret_retry_us);
/* It was not there. What is found costs nothing: a busy address with good keys and new hooks is no guesser. */
void api_looked_up_in_vain(struct api *api, struct http_req *req);

/* Logs what is internal, hides it, and answers. */
void api_fail(struct http_req *req, const struct pb_err *err);

/* "If-Match: \"7\"" -> 7; 0 when absent or "*"; false when it has answered (400). */
bool api_if_match(struct http_req *req, int64_t *ret_revision);

/* The page of /api/docs; nothing when there is no description. */
void api_docs_write(struct pb_buf *out);
void api_docs_reply(struct http_req *req, const struct pb_buf *page);

/* Routes of each file. */
void api_system_routes(struct http_router *r, struct api *api);
void api_hook_routes(struct http_router *r, struct api *api);
void api_workflow_routes(struct http_router *r, struct api *api);
void api_execution_routes(struct http_router *r, struct api *api);
void api_connection_routes(struct http_router *r, struct api *api);
void api_connector_routes(struct http_router *r, struct api *api);
void api_key_routes(struct http_router *r, struct api *api);

#endif
