/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the files of workflows: checking what is to be saved, hook tokens, the answer's shape. */
#ifndef PB_API_WORKFLOW_H
#define PB_API_WORKFLOW_H

#include "api/api_body.h"
#include "store/store_workflow.h"

/* A checked definition; everything lives in the arena given. */
struct api_definition {
	struct pb_slice
		text; /* compact JSON, members in the order they came, numbers as they came */
	const char *name;
	const char *trigger_type;
};

/*
 * Reads "definition" of @body, checks it whole on a deep thread. False when it has answered: 422 workflow.invalid
 * items with pointers into the request, 413, 503.
 */
bool api_definition_read(struct api *api, struct http_req *req, const struct pb_json *body,
			 struct pb_arena *arena, struct api_definition *ret);

/* A fresh hook token for @workflow, sealed for its row. Owner: ret->sealed in @arena. */
enum pb_status api_hook_token_make(struct api *api, struct pb_uuid tenant, struct pb_uuid workflow,
				   struct pb_arena *arena, struct store_hook_token *ret,
				   struct pb_err *err) pb_must_check;

/* More than a request's own arena holds: a definition is loaded, checked and shown in one request. */
#define API_WORKFLOW_ARENA_BYTES ((size_t)16 * 1024 * 1024)

enum api_workflow_parts {
	API_WORKFLOW_DEFINITION = 1 << 0,  /* when the actor may read workflows */
	API_WORKFLOW_HOOK_URL = 1 << 1,    /* opened from the vault, when the actor may see it */
	API_WORKFLOW_HOOK_HIDDEN = 1 << 2, /* "hook_url": null */
};

/* Appends the workflow as an object. Errors: of the vault and the database (only with HOOK_URL). */
enum pb_status api_workflow_write(struct api *api, struct http_req *req, unsigned parts,
				  const struct store_workflow *wf, struct pb_jw *w,
				  struct pb_err *err);
/* The same behind a change that is committed: never fails, "hook_url" is null when it cannot be had just now. */
void api_workflow_write_saved(struct api *api, struct http_req *req,
			      const struct store_workflow *wf, struct pb_buf *out);
void api_workflow_etag(struct http_req *req, const struct store_workflow *wf);
/* Tells every host. */
void api_workflow_changed(struct api *api, const struct store_workflow *wf);

/* Who is noted as author: the user, or the key when there is none. */
struct pb_uuid api_workflow_author(struct http_req *req);

#endif
