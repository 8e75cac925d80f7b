/* SPDX-License-Identifier: Apache-2.0 */
/* What a change of a workflow does to its hook, in the same transaction. Private to store. */
#ifndef PB_STORE_WORKFLOW_PRIVATE_H
#define PB_STORE_WORKFLOW_PRIVATE_H

#include "store/store_workflow.h"

/* A new token, active as the workflow is. Errors: PB_E_CONFLICT hook.exists */
enum pb_status store_hook_put(struct pg_tx *tx, struct pb_uuid tenant_id,
			      struct pb_uuid workflow_id, const struct store_hook_token *token,
			      struct pb_err *err) pb_must_check;
/* Its tokens answer no more; the rows stay, so that hosts notice. */
enum pb_status store_hook_remove(struct pg_tx *tx, struct pb_uuid tenant_id,
				 struct pb_uuid workflow_id, struct pb_err *err) pb_must_check;
/* Takes over the workflow's switch and published version. */
enum pb_status store_hook_follow(struct pg_tx *tx, struct pb_uuid tenant_id,
				 struct pb_uuid workflow_id, struct pb_err *err) pb_must_check;
enum pb_status store_workflow_not_found(struct pb_err *err);

#endif
