/* SPDX-License-Identifier: Apache-2.0 */
/* Redis addresses: what is meant is taken, what is not understood is refused. */
#include "cache/cache_priv.h"

#include <check.h>

#include "base/base.h"

static const struct {
	const char *url;
	bool ok;
	const char *host;
	int port;
	const char *user, *password;
	int db;
} urls[] = {
	{"redis://127.0.0.1:6380", true, "127.0.0.1", 6380, "", "", 0},
	{"redis://localhost", true, "localhost", 6379, "", "", 0},
	{"redis://:p%40ss%2f@h:1/3", true, "h", 1, "", "p@ss/", 3},
	{"redis://u:p:w@h/", true, "h", 6379, "u", "p:w", 0},
	{"unix:/run/redis.sock", true, "/run/redis.sock", 0, "", "", 0},
	{"unix:/run/redis.sock?db=2", true, "/run/redis.sock", 0, "", "", 2},
	{"rediss://h", false, NULL, 0, NULL, NULL, 0},
	{"http://h", false, NULL, 0, NULL, NULL, 0},
	{"redis://", false, NULL, 0, NULL, NULL, 0},
	{"redis://:p@", false, NULL, 0, NULL, NULL, 0},
	{"redis://h:0", false, NULL, 0, NULL, NULL, 0},
	{"redis://h:99999", false, NULL, 0, NULL, NULL, 0},
	{"redis://h/x", false, NULL, 0, NULL, NULL, 0},
	{"redis://:a%0@h", false, NULL, 0, NULL, NULL, 0},
	{"redis://:a%00@h", false, NULL, 0, NULL, NULL, 0},
	{"unix:relative", false, NULL, 0, NULL, NULL, 0},
	{"unix:/a?x=1", false, NULL, 0, NULL, NULL, 0},
	{"", false, NULL, 0, NULL, NULL, 0},
	{NULL, false, NULL, 0, NULL, NULL, 0},
};

START_TEST(url__table)
{
	struct cache_url u;

	ck_assert_int_eq(cache_url_parse(urls[_i].url, &u), urls[_i].ok);
	if (!urls[_i].ok)
		return;
	ck_assert_str_eq(u.host, urls[_i].host);
	ck_assert_int_eq(u.port, urls[_i].port);
	ck_assert_str_eq(u.user, urls[_i].user);
	ck_assert_str_eq(u.password, urls[_i].password);
	ck_assert_int_eq(u.db, urls[_i].db);
}
END_TEST

START_TEST(script__sha1)
{
	struct cache_script s;
	char long_text[121];

	cache_script_init(&s, "abc");
	ck_assert_str_eq(s.sha, "a9993e364706816aba3e25717850c26c9cd0d89d");
	cache_script_init(&s, "");
	ck_assert_str_eq(s.sha, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	memset(long_text, 'a', 120);
	long_text[120] = 0;
	cache_script_init(&s, long_text);
	ck_assert_str_eq(s.sha, "f34c1488385346a55709ba056ddd08280dd4c6d6");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cache_url");
	TCase *tc = tcase_create("url");
	SRunner *sr = srunner_create(s);
	int failed = 0;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, url__table, 0, PB_ARRAY_LEN(urls));
	tcase_add_test(tc, script__sha1);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
