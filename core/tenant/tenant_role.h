/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what: roles, permissions and the one table that joins them. Every route names a
 * permission and asks here; PERMISSIONS.md beside this file is the published form, compared with
 * the table by a test.
 */
#ifndef PB_TENANT_TENANT_ROLE_H
#define PB_TENANT_TENANT_ROLE_H

#include "base/buf.h"
#include "base/json.h"

/* In rising power; each holds all that the one before holds. */
enum tenant_role {
	TENANT_VIEWER,
	TENANT_OPERATOR,
	TENANT_EDITOR,
	TENANT_ADMIN,
	TENANT_OWNER,
	TENANT_SUPER_ADMIN, /* platform: only in the platform tenant */
	TENANT_ROLE_COUNT,
};

enum tenant_permission {
	TENANT_WORKFLOW_READ,
	TENANT_WORKFLOW_WRITE,  /* create, change, delete */
	TENANT_WORKFLOW_TOGGLE, /* switch on and off, publish a version */
	TENANT_WORKFLOW_RUN,    /* run now, test, dry run */
	TENANT_EXECUTION_READ,
	TENANT_EXECUTION_CANCEL,
	TENANT_EXECUTION_RETRY,
	TENANT_EXECUTION_DECIDE, /* outcome_unknown, approvals */
	TENANT_DEAD_LETTER_READ,
	TENANT_DEAD_LETTER_REPLAY,
	TENANT_CONNECTION_READ, /* never the secrets */
	TENANT_CONNECTION_WRITE,
	TENANT_CONNECTION_TEST,
	TENANT_CONNECTOR_READ,
	TENANT_HOOK_READ, /* shows hook URLs */
	TENANT_HOOK_WRITE,
	TENANT_ENDPOINT_READ,
	TENANT_ENDPOINT_WRITE,
	TENANT_API_KEY_READ,
	TENANT_API_KEY_WRITE,
	TENANT_MEMBER_READ,
	TENANT_MEMBER_WRITE,
	TENANT_TENANT_READ,
	TENANT_TENANT_WRITE,
	TENANT_TENANT_DELETE,
	TENANT_BILLING_READ,
	TENANT_BILLING_WRITE,
	TENANT_AUDIT_READ,
	TENANT_LOG_READ,
	TENANT_STATUS_READ,     /* detailed status of the installation */
	TENANT_CONNECTOR_ADMIN, /* install, enable, disable, upgrade, quarantine */
	TENANT_PLATFORM_ADMIN,  /* tenants, statistics, clients */
	TENANT_PERMISSION_COUNT,
};

/* A set of permissions, one bit each. */
typedef uint64_t tenant_permissions;
#define TENANT_BIT(p) (UINT64_C(1) << (p))

/* The decision. [any-thread] */
bool tenant_allows(enum tenant_role role, enum tenant_permission permission);
tenant_permissions tenant_role_permissions(enum tenant_role role);

/* "super_admin", "workflow.read"; never NULL. */
const char *tenant_role_name(enum tenant_role role);
const char *tenant_permission_name(enum tenant_permission permission);
bool tenant_role_parse(const char *s, size_t n, enum tenant_role *ret) pb_must_check;
bool tenant_permission_parse(const char *s, size_t n, enum tenant_permission *ret) pb_must_check;

/* Space separated names, "" = the empty set. False on an unknown or doubled name or blanks out of
 * place. */
bool tenant_permissions_parse(const char *s, size_t n, tenant_permissions *ret) pb_must_check;
void tenant_permissions_write(tenant_permissions set, struct pb_buf *out);

/* The matrix as Markdown (PERMISSIONS.md) and as {"roles": [...], "permissions": [{"name", "doc",
 * "roles"}]}. */
void tenant_matrix_markdown(struct pb_buf *out);
void tenant_matrix_json(struct pb_jw *w);

#endif
