/* SPDX-License-Identifier: Apache-2.0 */
/* Which route answers: literals before parameters, 405 apart from 404, HEAD where GET is. */
#include "http/http_router.h"

#include <check.h>
#include <signal.h>

#include "base/base.h"

static void handler(struct http_req *req, void *arg)
{
	(void)req;
	(void)arg;
}

static struct http_router *router;

static const struct http_route routes[] = {
	{.method = HTTP_GET, .pattern = "/", .handler = handler, .doc = "root"},
	{.method = HTTP_GET, .pattern = "/api/v1/workflows", .handler = handler, .doc = "list"},
	{.method = HTTP_POST, .pattern = "/api/v1/workflows", .handler = handler, .doc = "create"},
	{.method = HTTP_GET, .pattern = "/api/v1/workflows/{id}", .handler = handler, .doc = "get"},
	{.method = HTTP_GET, .pattern = "/api/v1/workflows/new", .handler = handler, .doc = "new"},
	{.method = HTTP_DELETE,
	 .pattern = "/api/v1/workflows/{wf}",
	 .handler = handler,
	 .doc = "del"},
	{.method = HTTP_PUT,
	 .pattern = "/api/v1/workflows/{id}/toggle",
	 .handler = handler,
	 .doc = "toggle"},
	{.method = HTTP_ANY, .pattern = "/hooks/{token}", .handler = handler, .doc = "hook"},
	{.method = HTTP_ANY,
	 .pattern = "/e/{tenant}/{path...}",
	 .handler = handler,
	 .doc = "endpoint"},
	{.method = HTTP_GET, .pattern = "/e/{tenant}/fixed", .handler = handler, .doc = "fixed"},
};

static void setup(void)
{
	router = http_router_new();
	http_router_add_all(router, routes, PB_ARRAY_LEN(routes));
}

static void teardown(void)
{
	http_router_free(router);
}

static const struct {
	unsigned method;
	const char *path, *doc; /* NULL = no route */
	unsigned allow;
	const char *param;
} cases[] = {
	{HTTP_GET, "/", "root", 0, NULL},
	{HTTP_POST, "/", NULL, HTTP_GET | HTTP_HEAD, NULL},
	{HTTP_HEAD, "/", "root", 0, NULL},
	{HTTP_GET, "/api/v1/workflows", "list", 0, NULL},
	{HTTP_GET, "/api/v1/workflows/", NULL, 0, NULL},
	{HTTP_POST, "/api/v1/workflows", "create", 0, NULL},
	{HTTP_PUT, "/api/v1/workflows", NULL, HTTP_GET | HTTP_HEAD | HTTP_POST, NULL},
	{HTTP_GET, "/api/v1/workflows/abc", "get", 0, "abc"},
	{HTTP_GET, "/api/v1/workflows/new", "new", 0, NULL},
	{HTTP_DELETE, "/api/v1/workflows/new", "del", 0, "new"},
	{HTTP_DELETE, "/api/v1/workflows/x y", "del", 0, "x y"},
	{HTTP_PATCH, "/api/v1/workflows/new", NULL, HTTP_GET | HTTP_HEAD | HTTP_DELETE, NULL},
	{HTTP_PUT, "/api/v1/workflows/a/toggle", "toggle", 0, "a"},
	{HTTP_PUT, "/api/v1/workflows/new/toggle", "toggle", 0, "new"},
	{HTTP_GET, "/api/v1/workflows/a/other", NULL, 0, NULL},
	{HTTP_GET, "/api/v1", NULL, 0, NULL},
	{HTTP_PATCH, "/hooks/t", "hook", 0, "t"},
	{HTTP_OPTIONS, "/hooks/t", NULL, HTTP_ANY, NULL},
	{HTTP_GET, "/hooks/", NULL, 0, NULL},
	{HTTP_GET, "/hooks", NULL, 0, NULL},
	{HTTP_GET, "/e/acme/a/b/c", "endpoint", 0, "acme"},
	{HTTP_GET, "/e/acme/", NULL, 0, NULL},
	{HTTP_GET, "/e/acme/fixed", "fixed", 0, "acme"},
	{HTTP_POST, "/e/acme/fixed", "endpoint", 0, "acme"},
	{HTTP_GET, "", NULL, 0, NULL},
	{HTTP_GET, "x", NULL, 0, NULL},
};

START_TEST(match__table)
{
	struct http_match m;
	bool found = http_router_match(router, cases[_i].method, pb_slice_str(cases[_i].path), &m);

	ck_assert_int_eq(found, cases[_i].doc != NULL);
	if (!found) {
		ck_assert_uint_eq(m.allow, cases[_i].allow);
		ck_assert_ptr_null(m.route);
		return;
	}
	ck_assert_str_eq(m.route->doc, cases[_i].doc);
	if (cases[_i].param)
		ck_assert(pb_slice_eq_str(m.params[0].value, cases[_i].param));
}
END_TEST

START_TEST(match__names_and_rest)
{
	struct http_match m;

	ck_assert(http_router_match(router, HTTP_DELETE, PB_SLICE("/e/acme/a/b"), &m));
	ck_assert_uint_eq(m.n_params, 2);
	ck_assert_uint_eq(m.params[1].name_len, 4);
	ck_assert_int_eq(memcmp(m.params[1].name, "path", 4), 0);
	ck_assert(pb_slice_eq_str(m.params[1].value, "a/b"));
	/* the same place has another name under another method */
	ck_assert(http_router_match(router, HTTP_DELETE, PB_SLICE("/api/v1/workflows/7"), &m));
	ck_assert_int_eq(memcmp(m.params[0].name, "wf", 2), 0);
}
END_TEST

START_TEST(count__lists_all)
{
	ck_assert_uint_eq(http_router_count(router), PB_ARRAY_LEN(routes));
	for (size_t i = 0; i < PB_ARRAY_LEN(routes); i++)
		ck_assert_str_eq(http_router_route(router, i)->doc, routes[i].doc);
}
END_TEST

START_TEST(add__same_twice_aborts)
{
	http_router_add(router, &routes[3]);
}
END_TEST

START_TEST(methods__parse_and_list)
{
	char list[64];

	ck_assert_uint_eq(http_method_parse("GET"), HTTP_GET);
	ck_assert_uint_eq(http_method_parse("get"), 0);
	ck_assert_uint_eq(http_method_parse("TRACE"), 0);
	ck_assert_uint_eq(http_method_parse("CONNECT"), 0);
	ck_assert_uint_eq(http_method_parse(""), 0);
	http_method_list(HTTP_GET | HTTP_DELETE, list, sizeof(list));
	ck_assert_str_eq(list, "GET, DELETE");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http_router");
	TCase *tc = tcase_create("router");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, match__table, 0, PB_ARRAY_LEN(cases));
	tcase_add_test(tc, match__names_and_rest);
	tcase_add_test(tc, count__lists_all);
	if (srunner_fork_status(sr) == CK_FORK)
		tcase_add_test_raise_signal(tc, add__same_twice_aborts, SIGABRT);
	tcase_add_test(tc, methods__parse_and_list);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
