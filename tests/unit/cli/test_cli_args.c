/* SPDX-License-Identifier: Apache-2.0 */
/* The command line as it is read; what the settings mean is config's test. */
#include "cli/cli.h"

#include "support/check_main.h"

#include "base/base.h"

#define PARSE(args, ...) parse((const char *const[]){"patchbay", __VA_ARGS__, NULL}, args)

static bool parse(const char *const *argv, struct cli_args *ret)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return cli_args_parse(argc, (char **)(uintptr_t)argv, ret);
}

START_TEST(parse__command_and_options_in_any_order)
{
	struct cli_args a;

	ck_assert(PARSE(&a, "--config", "/etc/p.conf", "serve", "--set", "log_level=debug", "--set",
			"threads=4"));
	ck_assert_str_eq(a.command, "serve");
	ck_assert_str_eq(a.config_file, "/etc/p.conf");
	ck_assert_uint_eq(a.n_sets, 2);
	ck_assert_str_eq(a.sets[0], "log_level=debug");
	ck_assert_str_eq(a.sets[1], "threads=4");
	ck_assert(!a.list && !a.renew && !a.help);
	cli_args_done(&a);
}
END_TEST

START_TEST(parse__roles_become_a_setting)
{
	struct cli_args a;

	ck_assert(PARSE(&a, "serve", "--roles", "api,worker", "--set", "roles=api"));
	ck_assert_uint_eq(a.n_sets, 2);
	ck_assert_str_eq(a.sets[0], "roles=api,worker");
	ck_assert_str_eq(a.sets[1], "roles=api"); /* the later one counts */
	cli_args_done(&a);
}
END_TEST

START_TEST(parse__flags)
{
	struct cli_args a;

	ck_assert(PARSE(&a, "check-config", "--list"));
	ck_assert(a.list && !a.renew);
	cli_args_done(&a);
	ck_assert(PARSE(&a, "bootstrap", "--renew", "--out", "keys"));
	ck_assert(a.renew && !a.list);
	ck_assert_str_eq(a.out_dir, "keys");
	cli_args_done(&a);
}
END_TEST

START_TEST(parse__help_everywhere)
{
	struct cli_args a;

	ck_assert(PARSE(&a, "--help"));
	ck_assert(a.help && !a.command);
	cli_args_done(&a);
	ck_assert(PARSE(&a, "serve", "-h"));
	ck_assert(a.help);
	ck_assert_str_eq(a.command, "serve");
	cli_args_done(&a);
}
END_TEST

START_TEST(parse__nothing_is_no_command)
{
	struct cli_args a;
	const char *argv[] = {"patchbay", NULL};

	ck_assert(parse(argv, &a));
	ck_assert_ptr_null(a.command);
	cli_args_done(&a);
	ck_assert(parse(argv + 1, &a)); /* argc 0 */
	ck_assert_ptr_null(a.command);
	cli_args_done(&a);
}
END_TEST

static const char *const wrong[][4] = {
	{"serve", "--config", NULL}, {"serve", "--set", NULL},
	{"serve", "--roles", NULL},  {"bootstrap", "--out", NULL},
	{"serve", "--nope", NULL},   {"serve", "-x", NULL},
	{"serve", "migrate", NULL},  {"-", NULL},
	{"serve", "--list=1", NULL}, {"--roles", "api", "--bad", NULL},
};

START_TEST(parse__refuses)
{
	const char *argv[6] = {"patchbay"};
	struct cli_args a;

	for (size_t i = 0; i < 4 && wrong[_i][i]; i++)
		argv[i + 1] = wrong[_i][i];
	ck_assert(!parse(argv, &a));
	/* nothing is left to free, and freeing is harmless */
	ck_assert_ptr_null(a.sets);
	cli_args_done(&a);
}
END_TEST

START_TEST(parse__a_value_may_look_like_an_option)
{
	struct cli_args a;

	ck_assert(PARSE(&a, "serve", "--set", "--list"));
	ck_assert(!a.list);
	ck_assert_str_eq(a.sets[0], "--list");
	cli_args_done(&a);
}
END_TEST

static const char *written(FILE *f, char *buf, size_t cap)
{
	size_t n;

	rewind(f);
	n = fread(buf, 1, cap - 1, f);
	buf[n] = 0;
	return buf;
}

START_TEST(usage__names_every_command)
{
	static const char *const commands[] = {"serve", "migrate", "bootstrap", "check-config",
					       "version"};
	FILE *f = tmpfile();
	char text[4096];

	ck_assert_ptr_nonnull(f);
	cli_usage(f);
	(void)written(f, text, sizeof(text));
	for (size_t i = 0; i < PB_ARRAY_LEN(commands); i++)
		ck_assert_ptr_nonnull(strstr(text, commands[i]));
	(void)fclose(f);
}
END_TEST

START_TEST(config__a_wrong_setting_gives_none)
{
	struct cli_args a;

	ck_assert(PARSE(&a, "serve", "--set", "no_such_setting=1"));
	ck_assert_ptr_null(cli_config(&a, false));
	cli_args_done(&a);
	ck_assert(PARSE(&a, "serve", "--config", "/nonexistent/patchbay.conf"));
	ck_assert_ptr_null(cli_config(&a, false));
	cli_args_done(&a);
}
END_TEST

START_TEST(config__sets_reach_it)
{
	pb_autoptr(config) cfg = NULL;
	struct cli_args a;

	ck_assert(PARSE(&a, "serve", "--roles", "worker"));
	cfg = cli_config(&a, false);
	ck_assert_ptr_nonnull(cfg);
	ck_assert(config_has_role(cfg, "worker"));
	ck_assert(!config_has_role(cfg, "api"));
	cli_args_done(&a);
}
END_TEST

static Suite *cli_args_suite(void)
{
	Suite *s = suite_create("cli_args");
	TCase *tc = tcase_create("args");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, parse__command_and_options_in_any_order);
	tcase_add_test(tc, parse__roles_become_a_setting);
	tcase_add_test(tc, parse__flags);
	tcase_add_test(tc, parse__help_everywhere);
	tcase_add_test(tc, parse__nothing_is_no_command);
	tcase_add_loop_test(tc, parse__refuses, 0, (int)PB_ARRAY_LEN(wrong));
	tcase_add_test(tc, parse__a_value_may_look_like_an_option);
	tcase_add_test(tc, usage__names_every_command);
	tcase_add_test(tc, config__a_wrong_setting_gives_none);
	tcase_add_test(tc, config__sets_reach_it);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(cli_args_suite)
