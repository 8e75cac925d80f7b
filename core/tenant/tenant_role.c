/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The permission matrix. A permission names the least role that has it; roles are nested, so one column says
 * all. A new permission is one line here and one line in PERMISSIONS.md (a test prints what is missing).
 */
#include "tenant/tenant_role.h"

#include "base/base.h"

static const char *const role_names[TENANT_ROLE_COUNT] = {
	[TENANT_VIEWER] = "viewer", [TENANT_OPERATOR] = "operator",
	[TENANT_EDITOR] = "editor", [TENANT_ADMIN] = "admin",
	[TENANT_OWNER] = "owner",   [TENANT_SUPER_ADMIN] = "super_admin",
};

static const struct {
	const char *name;
	enum tenant_role least;
	const char *doc;
} matrix[TENANT_PERMISSION_COUNT] = {
	[TENANT_WORKFLOW_READ] = {"workflow.read", TENANT_VIEWER,
				  "see workflows and their versions"},
	[TENANT_WORKFLOW_WRITE] = {"workflow.write", TENANT_EDITOR,
				   "create, change and delete workflows"},
	[TENANT_WORKFLOW_TOGGLE] = {"workflow.toggle", TENANT_EDITOR,
				    "switch workflows on and off, publish a version"},
	[TENANT_WORKFLOW_RUN] = {"workflow.run", TENANT_OPERATOR, "run now, test, dry run"},
	[TENANT_EXECUTION_READ] = {"execution.read", TENANT_VIEWER,
				   "see executions with the data of their steps"},
	[TENANT_EXECUTION_CANCEL] = {"execution.cancel", TENANT_OPERATOR, "cancel executions"},
	[TENANT_EXECUTION_RETRY] = {"execution.retry", TENANT_OPERATOR, "run executions again"},
	[TENANT_EXECUTION_DECIDE] = {"execution.decide", TENANT_OPERATOR,
				     "decide steps with an unknown outcome, and approvals"},
	[TENANT_DEAD_LETTER_READ] = {"dead_letter.read", TENANT_VIEWER, "see dead letters"},
	[TENANT_DEAD_LETTER_REPLAY] = {"dead_letter.replay", TENANT_OPERATOR,
				       "replay dead letters"},
	[TENANT_CONNECTION_READ] =
		{"connection.read", TENANT_VIEWER,
		 "see that connections exist and how they are, never their secrets"},
	[TENANT_CONNECTION_WRITE] = {"connection.write", TENANT_EDITOR,
				     "create, change and delete connections"},
	[TENANT_CONNECTION_TEST] = {"connection.test", TENANT_OPERATOR, "test connections"},
	[TENANT_CONNECTOR_READ] = {"connector.read", TENANT_VIEWER,
				   "see connectors and their forms"},
	[TENANT_HOOK_READ] = {"hook.read", TENANT_EDITOR, "see hook addresses in full"},
	[TENANT_HOOK_WRITE] = {"hook.write", TENANT_EDITOR,
			       "make, rotate and revoke hook addresses"},
	[TENANT_ENDPOINT_READ] = {"endpoint.read", TENANT_VIEWER, "see endpoints and their usage"},
	[TENANT_ENDPOINT_WRITE] = {"endpoint.write", TENANT_EDITOR, "publish and change endpoints"},
	[TENANT_API_KEY_READ] = {"api_key.read", TENANT_ADMIN, "see API keys (never their text)"},
	[TENANT_API_KEY_WRITE] = {"api_key.write", TENANT_ADMIN,
				  "create API keys up to one's own rights, revoke them"},
	[TENANT_MEMBER_READ] = {"member.read", TENANT_VIEWER, "see the team"},
	[TENANT_MEMBER_WRITE] = {"member.write", TENANT_ADMIN, "invite, change and remove members"},
	[TENANT_TENANT_READ] = {"tenant.read", TENANT_VIEWER, "see the organisation's profile"},
	[TENANT_TENANT_WRITE] = {"tenant.write", TENANT_ADMIN,
				 "change the organisation's profile and settings"},
	[TENANT_TENANT_DELETE] = {"tenant.delete", TENANT_OWNER,
				  "delete the organisation and all its data"},
	[TENANT_BILLING_READ] = {"billing.read", TENANT_ADMIN, "see plan, usage and invoices"},
	[TENANT_BILLING_WRITE] = {"billing.write", TENANT_OWNER,
				  "change the plan and how it is paid"},
	[TENANT_AUDIT_READ] = {"audit.read", TENANT_ADMIN, "search and export the audit log"},
	[TENANT_LOG_READ] = {"log.read", TENANT_OPERATOR, "see logs of executions"},
	[TENANT_STATUS_READ] = {"status.read", TENANT_VIEWER,
				"see the state of the services behind"},
	[TENANT_CONNECTOR_ADMIN] =
		{"connector.admin", TENANT_SUPER_ADMIN,
		 "install, enable, disable, upgrade, roll back and quarantine connectors"},
	[TENANT_PLATFORM_ADMIN] = {"platform.admin", TENANT_SUPER_ADMIN,
				   "see and manage all tenants, statistics and clients"},
};

_Static_assert(TENANT_PERMISSION_COUNT <= 64, "a set of permissions is one word");

bool tenant_allows(enum tenant_role role, enum tenant_permission permission)
{
	if ((unsigned)role >= TENANT_ROLE_COUNT || (unsigned)permission >= TENANT_PERMISSION_COUNT)
		return false;
	return role >= matrix[permission].least;
}

tenant_permissions tenant_role_permissions(enum tenant_role role)
{
	tenant_permissions set = 0;

	for (unsigned p = 0; p < TENANT_PERMISSION_COUNT; p++)
		if (tenant_allows(role, (enum tenant_permission)p))
			set |= TENANT_BIT(p);
	return set;
}

const char *tenant_role_name(enum tenant_role role)
{
	PB_ASSERT((unsigned)role < TENANT_ROLE_COUNT);
	return role_names[role];
}

const char *tenant_permission_name(enum tenant_permission permission)
{
	PB_ASSERT((unsigned)permission < TENANT_PERMISSION_COUNT);
	return matrix[permission].name;
}

bool tenant_role_parse(const char *s, size_t n, enum tenant_role *ret)
{
	for (unsigned i = 0; i < TENANT_ROLE_COUNT; i++)
		if (pb_slice_eq_str(pb_slice(s, n), role_names[i])) {
			*ret = (enum tenant_role)i;
			return true;
		}
	return false;
}

bool tenant_permission_parse(const char *s, size_t n, enum tenant_permission *ret)
{
	for (unsigned i = 0; i < TENANT_PERMISSION_COUNT; i++)
		if (pb_slice_eq_str(pb_slice(s, n), matrix[i].name)) {
			*ret = (enum tenant_permission)i;
			return true;
		}
	return false;
}

bool tenant_permissions_parse(const char *s, size_t n, tenant_permissions *ret)
{
	tenant_permissions set = 0;
	size_t at = 0;

	while (n > 0) {
		const char *blank = memchr(s + at, ' ', n - at);
		size_t len = blank ? (size_t)(blank - s) - at : n - at;
		enum tenant_permission p;

		if (!tenant_permission_parse(s + at, len, &p) || set & TENANT_BIT(p))
			return false;
		set |= TENANT_BIT(p);
		if (!blank)
			break;
		at += len + 1;
	}
	*ret = set;
	return true;
}

void tenant_permissions_write(tenant_permissions set, struct pb_buf *out)
{
	const char *sep = "";

	for (unsigned p = 0; p < TENANT_PERMISSION_COUNT; p++)
		if (set & TENANT_BIT(p)) {
			pb_buf_addf(out, "%s%s", sep, matrix[p].name);
			sep = " ";
		}
}

void tenant_matrix_markdown(struct pb_buf *out)
{
	pb_buf_adds(
		out,
		"# Who may do what\n\n"
		"Printed by `tenant_matrix_markdown()` from the table that every route asks; a "
		"test "
		"compares the two.\nRoles are nested: each may do all that the one to its left "
		"may. "
		"`super_admin` exists in the platform tenant only.\n\n| permission | meaning |");
	for (unsigned r = 0; r < TENANT_ROLE_COUNT; r++)
		pb_buf_addf(out, " %s |", role_names[r]);
	pb_buf_adds(out, "\n|---|---|");
	for (unsigned r = 0; r < TENANT_ROLE_COUNT; r++)
		pb_buf_adds(out, "---|");
	for (unsigned p = 0; p < TENANT_PERMISSION_COUNT; p++) {
		pb_buf_addf(out, "\n| `%s` | %s |", matrix[p].name, matrix[p].doc);
		for (unsigned r = 0; r < TENANT_ROLE_COUNT; r++)
			pb_buf_adds(out,
				    tenant_allows((enum tenant_role)r, (enum tenant_permission)p)
					    ? " yes |"
					    : " - |");
	}
	pb_buf_addc(out, '\n');
}

void tenant_matrix_json(struct pb_jw *w)
{
	pb_jw_object(w);
	pb_jw_key(w, "roles");
	pb_jw_array(w);
	for (unsigned r = 0; r < TENANT_ROLE_COUNT; r++)
		pb_jw_str(w, role_names[r]);
	pb_jw_end(w);
	pb_jw_key(w, "permissions");
	pb_jw_array(w);
	for (unsigned p = 0; p < TENANT_PERMISSION_COUNT; p++) {
		pb_jw_object(w);
		pb_jw_key(w, "name");
		pb_jw_str(w, matrix[p].name);
		pb_jw_key(w, "doc");
		pb_jw_str(w, matrix[p].doc);
		pb_jw_key(w, "roles");
		pb_jw_array(w);
		for (unsigned r = matrix[p].least; r < TENANT_ROLE_COUNT; r++)
			pb_jw_str(w, role_names[r]);
		pb_jw_end(w);
		pb_jw_end(w);
	}
	pb_jw_end(w);
	pb_jw_end(w);
}
