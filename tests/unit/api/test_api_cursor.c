/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors fit one list of one tenant, as given and no other way. */
#include "api_fixture.h"

#include "support/check_main.h"

static struct pb_uuid got_before;
static int got_limit;

static void read_page(struct http_req *req, void *arg)
{
	if (!api_page_query(&fx_api, req, "things", &got_before, &got_limit))
		return;
	http_reply_data(req, 200, NULL, "1", 1);
}

static const struct http_route routes[] = {
	{.method = HTTP_GET, .pattern = "/things", .handler = read_page},
};

static void setup(void)
{
	uint8_t key[32] = {1};

	crypto_init();
	fx_api.cfg.cursor_subkey = crypto_secret_copy(key, sizeof(key));
	fx_start(routes, PB_ARRAY_LEN(routes));
}

static void teardown(void)
{
	struct crypto_secret *key = (struct crypto_secret *)(uintptr_t)fx_api.cfg.cursor_subkey;

	fx_stop();
	crypto_secret_free(key);
}

static int ask(const char *cursor, const struct pb_json **answer)
{
	char target[256];

	ck_assert(pb_str_printf(target, sizeof(target), "/things?cursor=%s", cursor));
	return fx_ask("GET", target, "", "", answer);
}

START_TEST(cursor__comes_back_as_the_id)
{
	struct pb_uuid id = pb_uuid7();
	const struct pb_json *answer;
	char cursor[API_CURSOR_BYTES];

	api_cursor_write(&fx_api, fx_actor.tenant, "things", id, cursor);
	ck_assert_int_eq(ask(cursor, &answer), 200);
	ck_assert(pb_uuid_eq(got_before, id));
	ck_assert_int_eq(got_limit, 50);
}
END_TEST

START_TEST(cursor__fits_nowhere_else)
{
	struct pb_uuid id = pb_uuid7();
	const struct pb_json *answer;
	char cursor[API_CURSOR_BYTES];

	api_cursor_write(&fx_api, fx_actor.tenant, "others", id, cursor);
	ck_assert_int_eq(ask(cursor, &answer), 400);
	ck_assert_str_eq(fx_code(answer), "request.cursor_invalid");
	api_cursor_write(&fx_api, pb_uuid7(), "things", id, cursor);
	ck_assert_int_eq(ask(cursor, &answer), 400);
	ck_assert_int_eq(ask("", &answer), 400);
	ck_assert_int_eq(ask("AAAA", &answer), 400);
}
END_TEST

START_TEST(cursor__every_changed_character_is_seen)
{
	const struct pb_json *answer;
	char cursor[API_CURSOR_BYTES];

	api_cursor_write(&fx_api, fx_actor.tenant, "things", pb_uuid7(), cursor);
	for (size_t i = 0; cursor[i]; i++) {
		char was = cursor[i];

		cursor[i] = was == 'A' ? 'B' : 'A';
		ck_assert_msg(ask(cursor, &answer) == 400, "character %zu", i);
		cursor[i] = was;
	}
	ck_assert_int_eq(ask(cursor, &answer), 200);
}
END_TEST

START_TEST(limit__has_bounds)
{
	const struct pb_json *answer;

	ck_assert_int_eq(fx_ask("GET", "/things?limit=200", "", "", &answer), 200);
	ck_assert_int_eq(got_limit, 200);
	ck_assert(pb_uuid_is_nil(got_before));
	ck_assert_int_eq(fx_ask("GET", "/things?limit=201", "", "", &answer), 400);
	ck_assert_str_eq(fx_code(answer), "http.query_invalid");
	ck_assert_int_eq(fx_ask("GET", "/things?limit=0", "", "", &answer), 400);
	ck_assert_int_eq(fx_ask("GET", "/things?limit=x", "", "", &answer), 400);
}
END_TEST

static Suite *cursor_suite(void)
{
	Suite *s = suite_create("api_cursor");
	TCase *tc = tcase_create("cursor");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, cursor__comes_back_as_the_id);
	tcase_add_test(tc, cursor__fits_nowhere_else);
	tcase_add_test(tc, cursor__every_changed_character_is_seen);
	tcase_add_test(tc, limit__has_bounds);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(cursor_suite)
