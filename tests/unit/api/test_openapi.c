/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/api/openapi.json and the code say the same: routes, names, permissions, error codes; and every route has a
 * permission or is public on purpose.
 */
#include <check.h>
#include <glob.h>
#include <stdio.h>

#include "api/api_internal.h"
#include "base/json.h"
#include "support/check_main.h"

#define DOCUMENT PB_SOURCE_DIR "/core/api/openapi.json"

static struct pb_arena arena;
static struct http_router *router;
static struct api api = {.magic = API_MAGIC};
static const struct pb_json *doc, *paths;

static char *read_file(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "rb");
	pb_auto_buf b = PB_BUF_INIT;
	char piece[8192];
	size_t n;

	ck_assert_msg(f != NULL, "%s", path);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		(void)pb_buf_add(&b, piece, n);
	fclose(f);
	return pb_buf_steal(&b, ret_n);
}

static void setup(void)
{
	struct pb_err err = PB_ERR_INIT;
	size_t n;
	char *text = read_file(DOCUMENT, &n);

	pb_arena_init(&arena, (size_t)64 * 1024 * 1024);
	ck_assert_msg(pb_json_parse(&arena, text, n, NULL, &doc, &err) == PB_OK, "%s", err.msg);
	free(text);
	paths = pb_json_get(doc, "paths");
	ck_assert_ptr_nonnull(paths);
	router = http_router_new();
	api_add_routes(&api, router);
}

static void teardown(void)
{
	http_router_free(router);
	pb_arena_done(&arena);
}

static const unsigned methods[] = {HTTP_GET, HTTP_HEAD,  HTTP_POST,
				   HTTP_PUT, HTTP_PATCH, HTTP_DELETE};

static const char *lower(unsigned method, char out[16])
{
	size_t i = 0;

	for (const char *p = http_method_name(method); *p && i < 15; p++)
		out[i++] = (char)(*p | 0x20);
	out[i] = 0;
	return out;
}

static const char *permission_of(const struct http_route *r)
{
	const enum tenant_permission *p = r->permission;

	return p ? tenant_permission_name(*p) : NULL;
}

static bool is_any(const struct http_route *r)
{
	return r->method == HTTP_ANY;
}

static void check_operation(const struct http_route *r, unsigned method, const struct pb_json *op)
{
	const char *name = http_method_name(method);
	const char *id = pb_json_str(pb_json_get(op, "operationId"));
	const struct pb_json *security = pb_json_get(op, "security");
	bool open = r->flags & API_ROUTE_NO_AUTH;

	ck_assert_msg(op != NULL, "%s %s is not in the document", name, r->pattern);
	ck_assert_msg(r->doc != NULL, "%s %s has no name", name, r->pattern);
	ck_assert_msg(id && (is_any(r) ? pb_str_starts(id, r->doc) : pb_str_eq(id, r->doc)),
		      "%s %s: operationId %s, route %s", name, r->pattern, id ? id : "-", r->doc);
	ck_assert_msg(pb_json_get(op, "x-permission") != NULL, "%s: no x-permission", id);
	ck_assert_msg(pb_str_eq(pb_json_str(pb_json_get(op, "x-permission")), permission_of(r)),
		      "%s: x-permission is not %s", id,
		      permission_of(r) ? permission_of(r) : "null");
	ck_assert_msg(open == (security && security->len == 0), "%s: security", id);
}

START_TEST(openapi__has_every_route)
{
	char key[16];

	for (size_t i = 0; i < http_router_count(router); i++) {
		const struct http_route *r = http_router_route(router, i);
		const struct pb_json *item = pb_json_get(paths, r->pattern);

		if (r->flags & HTTP_ROUTE_HIDDEN)
			continue;
		ck_assert_msg(item != NULL, "%s is not in the document", r->pattern);
		for (size_t m = 0; m < PB_ARRAY_LEN(methods); m++)
			if (r->method & methods[m])
				check_operation(r, methods[m],
						pb_json_get(item, lower(methods[m], key)));
	}
}
END_TEST

START_TEST(openapi__has_nothing_else)
{
	struct http_match match;
	size_t n = 0;

	pb_json_each_member (path, paths) {
		pb_json_each_member (op, &path->value) {
			char name[16];
			size_t k = PB_MIN(op->key_len, (uint32_t)15);

			for (size_t i = 0; i < k; i++)
				name[i] = (char)(op->key[i] & ~0x20);
			name[k] = 0;
			ck_assert_msg(http_router_match(router, http_method_parse(name),
							pb_slice(path->key, path->key_len), &match),
				      "%s %s has no route", name, path->key);
			ck_assert_str_eq(match.route->pattern, path->key);
			n++;
		}
	}
	ck_assert_uint_ge(n, http_router_count(router));
}
END_TEST

START_TEST(openapi__names_are_unique)
{
	const char *seen[512];
	size_t n = 0;

	pb_json_each_member (path, paths) {
		pb_json_each_member (op, &path->value) {
			const char *id = pb_json_str(pb_json_get(&op->value, "operationId"));

			ck_assert_ptr_nonnull(id);
			for (size_t i = 0; i < n; i++)
				ck_assert_str_ne(seen[i], id);
			ck_assert_uint_lt(n, PB_ARRAY_LEN(seen));
			seen[n++] = id;
		}
	}
}
END_TEST

/* ---- references and codes ---- */

static void check_references(const struct pb_json *j)
{
	const char *ref = pb_json_str(pb_json_get(j, "$ref"));

	if (ref) {
		ck_assert_int_eq(ref[0], '#');
		ck_assert_msg(pb_json_pointer(doc, ref + 1, strlen(ref + 1)) != NULL, "%s", ref);
	}
	pb_json_each_item (it, j)
		check_references(it);
	pb_json_each_member (m, j)
		check_references(&m->value);
}

START_TEST(openapi__references_lead_somewhere)
{
	check_references(doc);
}
END_TEST

/* Answers of the server itself that no operation lists one by one. */
static bool is_transport(int64_t status)
{
	return status == 408 || status == 411 || status == 414 || status == 417 || status == 431 ||
	       status == 501 || status == 505;
}

static bool has_status(const struct pb_json *responses, const struct pb_json *status)
{
	int64_t v = 0;
	char key[8];

	pb_json_each_item (it, status)
		if (has_status(responses, it))
			return true;
	if (!pb_json_i64(status, &v))
		return false;
	(void)pb_str_printf(key, sizeof(key), "%d", (int)v);
	return is_transport(v) || pb_json_get(responses, key);
}

START_TEST(openapi__operations_list_known_codes_with_their_status)
{
	const struct pb_json *codes = pb_json_get(doc, "x-error-codes");

	pb_json_each_member (path, paths) {
		pb_json_each_member (op, &path->value) {
			const struct pb_json *own = pb_json_get(&op->value, "x-error-codes");

			ck_assert_msg(pb_json_is(own, PB_JSON_ARRAY), "%s %s", op->key, path->key);
			pb_json_each_item (it, own) {
				const struct pb_json *c = pb_json_get(codes, pb_json_str(it));

				ck_assert_msg(c != NULL, "%s: unknown", pb_json_str(it));
				ck_assert_msg(has_status(pb_json_get(&op->value, "responses"),
							 pb_json_get(c, "status")),
					      "%s %s: %s has no response", op->key, path->key,
					      pb_json_str(it));
			}
		}
	}
}
END_TEST

static bool lists(const struct pb_json *array, const char *code)
{
	pb_json_each_item (it, array)
		if (pb_str_eq(pb_json_str(it), code))
			return true;
	return false;
}

/* What comes from below the API and is told to whoever posts to a hook. */
START_TEST(openapi__hooks_list_what_they_answer)
{
	static const char *const codes[] = {
		"api.busy",       "json.depth", "json.duplicate_key", "json.syntax",
		"json.too_large", "json.utf8",  "limits.exceeded",    "store.value_too_large"};

	pb_json_each_member (op, pb_json_get(paths, "/hooks/{token}"))
		for (size_t i = 0; i < PB_ARRAY_LEN(codes); i++)
			ck_assert_msg(lists(pb_json_get(&op->value, "x-error-codes"), codes[i]),
				      "%s: %s", op->key, codes[i]);
}
END_TEST

/* Reads "PB_E_SOMETHING, "area.reason"" out of a source; returns where to go on. */
static const char *next_code(const char *at, char out[64])
{
	while ((at = strstr(at, "PB_E_")) != NULL) {
		const char *p = at + strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
		size_t n;

		at = p;
		if (*p != ',')
			continue;
		p += 1 + strspn(p + 1, " \t\n");
		n = *p == '"' ? strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_.") : 0;
		if (n == 0 || n >= 64 || p[1 + n] != '"' || !memchr(p + 1, '.', n))
			continue;
		memcpy(out, p + 1, n);
		out[n] = 0;
		return p + n;
	}
	return NULL;
}

START_TEST(openapi__lists_every_code_of_the_api)
{
	const struct pb_json *codes = pb_json_get(doc, "x-error-codes");
	size_t n_codes = 0;
	glob_t files;
	char code[64];

	ck_assert_int_eq(glob(PB_SOURCE_DIR "/core/api/*.c", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		size_t n;
		char *text = read_file(files.gl_pathv[i], &n);

		for (const char *at = text; (at = next_code(at, code)) != NULL; n_codes++)
			ck_assert_msg(pb_json_get(codes, code) != NULL, "%s of %s is not listed",
				      code, files.gl_pathv[i]);
		free(text);
	}
	globfree(&files);
	ck_assert_uint_gt(n_codes, 40);
}
END_TEST

/* ---- who may ---- */

/* Public on purpose. Everything else has a permission. */
static const char *const public_routes[] = {"getRoot",    "getLiveness", "getReadiness",
					    "getHealth",  "getOpenapi",  "getDocs",
					    "receiveHook"};

static bool is_public(const char *name)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(public_routes); i++)
		if (pb_str_eq(public_routes[i], name))
			return true;
	return false;
}

START_TEST(routes__have_a_permission_or_are_public_on_purpose)
{
	size_t n_public = 0;

	for (size_t i = 0; i < http_router_count(router); i++) {
		const struct http_route *r = http_router_route(router, i);
		bool open = is_public(r->doc);

		n_public += open;
		ck_assert_msg(open == !r->permission, "%s", r->doc);
		ck_assert_msg(open == !!(r->flags & API_ROUTE_NO_AUTH), "%s", r->doc);
	}
	ck_assert_uint_eq(n_public, PB_ARRAY_LEN(public_routes));
}
END_TEST

START_TEST(routes__viewers_change_nothing)
{
	for (size_t i = 0; i < http_router_count(router); i++) {
		const struct http_route *r = http_router_route(router, i);
		const enum tenant_permission *p = r->permission;

		if (p && r->method != HTTP_GET)
			ck_assert_msg(!tenant_allows(TENANT_VIEWER, *p), "%s", r->doc);
	}
}
END_TEST

START_TEST(routes__admin_is_for_the_platform)
{
	size_t n = 0;

	for (size_t i = 0; i < http_router_count(router); i++) {
		const struct http_route *r = http_router_route(router, i);
		const enum tenant_permission *p = r->permission;

		if (!pb_str_starts(r->pattern, "/api/v1/admin/"))
			continue;
		n++;
		for (int role = 0; role < TENANT_ROLE_COUNT; role++)
			ck_assert_int_eq(tenant_allows((enum tenant_role)role, *p),
					 role == TENANT_SUPER_ADMIN);
	}
	ck_assert_uint_ge(n, 4);
}
END_TEST

static Suite *openapi_suite(void)
{
	Suite *s = suite_create("openapi");
	TCase *tc = tcase_create("openapi");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, openapi__has_every_route);
	tcase_add_test(tc, openapi__has_nothing_else);
	tcase_add_test(tc, openapi__names_are_unique);
	tcase_add_test(tc, openapi__references_lead_somewhere);
	tcase_add_test(tc, openapi__operations_list_known_codes_with_their_status);
	tcase_add_test(tc, openapi__hooks_list_what_they_answer);
	tcase_add_test(tc, openapi__lists_every_code_of_the_api);
	tcase_add_test(tc, routes__have_a_permission_or_are_public_on_purpose);
	tcase_add_test(tc, routes__viewers_change_nothing);
	tcase_add_test(tc, routes__admin_is_for_the_platform);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(openapi_suite)
