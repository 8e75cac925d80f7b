/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix: equal to the published document, nested, closed for unknown values. */
#include "tenant/tenant_role.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

START_TEST(matrix__equals_the_published_document)
{
	pb_auto_buf made = PB_BUF_INIT, read_back = PB_BUF_INIT;
	FILE *f = fopen(PB_SOURCE_DIR "/core/tenant/PERMISSIONS.md", "re");
	char line[4096];

	ck_assert_msg(f != NULL, "core/tenant/PERMISSIONS.md is missing");
	while (fgets(line, sizeof line, f))
		pb_buf_adds(&read_back, line);
	(void)fclose(f);
	tenant_matrix_markdown(&made);
	ck_assert_str_eq(pb_buf_str(&read_back), pb_buf_str(&made));
}
END_TEST

START_TEST(roles__are_nested)
{
	for (int r = 0; r + 1 < TENANT_ROLE_COUNT; r++) {
		tenant_permissions low = tenant_role_permissions((enum tenant_role)r);
		tenant_permissions high = tenant_role_permissions((enum tenant_role)(r + 1));

		ck_assert_uint_eq(low & ~high, 0);
		ck_assert_msg(low != high, "%s may the same as the role above",
			      tenant_role_name(r));
	}
	ck_assert_uint_eq(tenant_role_permissions(TENANT_SUPER_ADMIN),
			  UINT64_MAX >> (64 - TENANT_PERMISSION_COUNT));
}
END_TEST

/* Decisions that must not change by accident, written apart from the table. */
static const struct {
	enum tenant_role role;
	enum tenant_permission permission;
	bool allowed;
} facts[] = {
	{TENANT_VIEWER, TENANT_WORKFLOW_READ, true},
	{TENANT_VIEWER, TENANT_WORKFLOW_RUN, false},
	{TENANT_VIEWER, TENANT_EXECUTION_CANCEL, false},
	{TENANT_VIEWER, TENANT_EXECUTION_RETRY, false},
	{TENANT_VIEWER, TENANT_WORKFLOW_WRITE, false},
	{TENANT_VIEWER, TENANT_HOOK_READ, false},
	{TENANT_VIEWER, TENANT_API_KEY_READ, false},
	{TENANT_OPERATOR, TENANT_WORKFLOW_RUN, true},
	{TENANT_OPERATOR, TENANT_WORKFLOW_WRITE, false},
	{TENANT_OPERATOR, TENANT_CONNECTION_WRITE, false},
	{TENANT_EDITOR, TENANT_CONNECTION_WRITE, true},
	{TENANT_EDITOR, TENANT_API_KEY_WRITE, false},
	{TENANT_EDITOR, TENANT_MEMBER_WRITE, false},
	{TENANT_ADMIN, TENANT_API_KEY_WRITE, true},
	{TENANT_ADMIN, TENANT_TENANT_DELETE, false},
	{TENANT_ADMIN, TENANT_CONNECTOR_ADMIN, false},
	{TENANT_OWNER, TENANT_TENANT_DELETE, true},
	{TENANT_OWNER, TENANT_CONNECTOR_ADMIN, false},
	{TENANT_OWNER, TENANT_PLATFORM_ADMIN, false},
	{TENANT_SUPER_ADMIN, TENANT_PLATFORM_ADMIN, true},
};

START_TEST(allows__known_decisions)
{
	ck_assert_int_eq(tenant_allows(facts[_i].role, facts[_i].permission), facts[_i].allowed);
}
END_TEST

START_TEST(allows__nothing_for_values_outside)
{
	ck_assert(!tenant_allows(TENANT_ROLE_COUNT, TENANT_WORKFLOW_READ));
	ck_assert(!tenant_allows((enum tenant_role) - 1, TENANT_WORKFLOW_READ));
	ck_assert(!tenant_allows(TENANT_SUPER_ADMIN, TENANT_PERMISSION_COUNT));
}
END_TEST

START_TEST(names__read_back)
{
	for (int i = 0; i < TENANT_ROLE_COUNT; i++) {
		const char *name = tenant_role_name((enum tenant_role)i);
		enum tenant_role role;

		ck_assert(tenant_role_parse(name, strlen(name), &role));
		ck_assert_int_eq(role, i);
	}
	for (int i = 0; i < TENANT_PERMISSION_COUNT; i++) {
		const char *name = tenant_permission_name((enum tenant_permission)i);
		enum tenant_permission p;

		ck_assert(tenant_permission_parse(name, strlen(name), &p));
		ck_assert_int_eq(p, i);
	}
}
END_TEST

START_TEST(role_parse__refuses_others)
{
	static const char *const bad[] = {"", "Owner", "owner ", "root", "super-admin", "viewe"};
	enum tenant_role role;

	for (size_t i = 0; i < PB_ARRAY_LEN(bad); i++)
		ck_assert(!tenant_role_parse(bad[i], strlen(bad[i]), &role));
	ck_assert(!tenant_role_parse("owner\0", 6, &role));
}
END_TEST

START_TEST(permissions__round_trip)
{
	tenant_permissions set = TENANT_BIT(TENANT_WORKFLOW_READ) |
				 TENANT_BIT(TENANT_PLATFORM_ADMIN),
			   back = 0;
	pb_auto_buf text = PB_BUF_INIT, empty = PB_BUF_INIT;

	tenant_permissions_write(set, &text);
	ck_assert_str_eq(pb_buf_str(&text), "workflow.read platform.admin");
	ck_assert(tenant_permissions_parse(pb_buf_str(&text), text.len, &back));
	ck_assert_uint_eq(back, set);
	tenant_permissions_write(0, &empty);
	ck_assert_str_eq(pb_buf_str(&empty), "");
	ck_assert(tenant_permissions_parse("", 0, &back));
	ck_assert_uint_eq(back, 0);
}
END_TEST

static const char *const bad_sets[] = {" ",
				       "workflow.read ",
				       " workflow.read",
				       "workflow.read  workflow.write",
				       "workflow.read workflow.read",
				       "workflow.*",
				       "workflow.read,workflow.write",
				       "nothing"};

START_TEST(permissions_parse__refuses)
{
	tenant_permissions set;

	ck_assert(!tenant_permissions_parse(bad_sets[_i], strlen(bad_sets[_i]), &set));
}
END_TEST

START_TEST(matrix_json__lists_everything)
{
	pb_auto_buf text = PB_BUF_INIT;
	pb_auto_arena arena;
	const struct pb_json *j;
	struct pb_err err = PB_ERR_INIT;
	struct pb_jw w;

	pb_arena_init(&arena, 1 << 20);
	pb_jw_init(&w, &text);
	tenant_matrix_json(&w);
	ck_assert_int_eq(pb_json_parse(&arena, pb_buf_str(&text), text.len, NULL, &j, &err), PB_OK);
	ck_assert_uint_eq(pb_json_get(j, "roles")->len, TENANT_ROLE_COUNT);
	ck_assert_uint_eq(pb_json_get(j, "permissions")->len, TENANT_PERMISSION_COUNT);
	for (unsigned p = 0; p < TENANT_PERMISSION_COUNT; p++) {
		const struct pb_json *one = pb_json_item(pb_json_get(j, "permissions"), p);
		unsigned n = 0;

		for (unsigned r = 0; r < TENANT_ROLE_COUNT; r++)
			n += tenant_allows((enum tenant_role)r, (enum tenant_permission)p);
		ck_assert_str_eq(pb_json_str(pb_json_get(one, "name")),
				 tenant_permission_name((enum tenant_permission)p));
		ck_assert_uint_eq(pb_json_get(one, "roles")->len, n);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tenant_role");
	TCase *t = tcase_create("role");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, matrix__equals_the_published_document);
	tcase_add_test(t, roles__are_nested);
	tcase_add_loop_test(t, allows__known_decisions, 0, PB_ARRAY_LEN(facts));
	tcase_add_test(t, allows__nothing_for_values_outside);
	tcase_add_test(t, names__read_back);
	tcase_add_test(t, role_parse__refuses_others);
	tcase_add_test(t, permissions__round_trip);
	tcase_add_loop_test(t, permissions_parse__refuses, 0, PB_ARRAY_LEN(bad_sets));
	tcase_add_test(t, matrix_json__lists_everything);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
