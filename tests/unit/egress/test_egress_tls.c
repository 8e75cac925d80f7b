/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/egress/egress_hop.c, its TLS side: which certificates are believed, and that nothing is sent to a server whose
 * one is not. The servers are tests/support/tls_server.py (python3 and the openssl program).
 */
#include "egress/egress.h"

#include <check.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include "unit/egress/client.h"
#include "base/parse.h"
#include "base/base.h"

#define KINDS_MAX 16

static char dir[64], ca[96], other_ca[96];
static struct {
	char name[32];
	uint16_t port;
} kinds[KINDS_MAX];
static size_t n_kinds;
static pid_t servers;
static int hold = -1; /* our end of the servers' standard input */

static void read_kind(const char *line)
{
	const char *blank = strchr(line, ' ');
	int64_t port;

	ck_assert_ptr_nonnull(blank);
	ck_assert_uint_lt(n_kinds, KINDS_MAX);
	ck_assert(pb_parse_i64(blank + 1, strcspn(blank + 1, "\n"), 1, 65535, &port));
	memset(kinds[n_kinds].name, 0, sizeof(kinds[0].name));
	memcpy(kinds[n_kinds].name, line,
	       PB_MIN((size_t)(blank - line), sizeof(kinds[0].name) - 1));
	kinds[n_kinds++].port = (uint16_t)port;
}

static void spawn_servers(int in, int out)
{
	char *const argv[] = {(char *)(uintptr_t) "python3", (char *)(uintptr_t) "-Wignore",
			      (char *)(uintptr_t)PB_SOURCE_DIR "/tests/support/tls_server.py", dir,
			      NULL};
	char *const env[] = {(char *)(uintptr_t) "PATH=/usr/local/bin:/usr/bin:/bin",
			     (char *)(uintptr_t) "PYTHONDONTWRITEBYTECODE=1", NULL};
	posix_spawn_file_actions_t files;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	ck_assert_int_eq(posix_spawnp(&servers, "python3", &files, NULL, argv, env), 0);
	posix_spawn_file_actions_destroy(&files);
}

/* Once for all tests: making keys takes long. They end when our end of the pipe does. */
static void start_servers(void)
{
	int in[2], out[2];
	char line[128] = "";
	FILE *f;

	(void)pb_str_copy(dir, sizeof(dir), "/tmp/patchbay-tls-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)pb_str_printf(ca, sizeof(ca), "%s/ca.pem", dir);
	(void)pb_str_printf(other_ca, sizeof(other_ca), "%s/other.pem", dir);
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	spawn_servers(in[0], out[1]);
	close(in[0]);
	close(out[1]);
	hold = in[1];
	f = fdopen(out[0], "r");
	while (fgets(line, sizeof(line), f) && strcmp(line, "ready\n") != 0)
		read_kind(line);
	(void)fclose(f);
	ck_assert_msg(strcmp(line, "ready\n") == 0, "the servers did not start");
}

static void stop_servers(void)
{
	const char *const endings[] = {"pem", "key", "csr", "ext", "srl"};
	const char *const others[] = {"ca", "other"};
	char path[160];

	close(hold);
	(void)waitpid(servers, NULL, 0);
	for (size_t e = 0; e < PB_ARRAY_LEN(endings); e++)
		for (size_t i = 0; i < n_kinds + PB_ARRAY_LEN(others); i++) {
			(void)pb_str_printf(path, sizeof(path), "%s/%s.%s", dir,
					    i < n_kinds ? kinds[i].name : others[i - n_kinds],
					    endings[e]);
			(void)unlink(path);
		}
	(void)rmdir(dir);
}

static const char *url_of(const char *kind, const char *path)
{
	static char url[128];

	for (size_t i = 0; i < n_kinds; i++)
		if (strcmp(kinds[i].name, kind) == 0) {
			(void)pb_str_printf(url, sizeof(url), "https://127.0.0.1:%u%s",
					    kinds[i].port, path);
			return url;
		}
	ck_abort_msg("no server %s", kind);
}

static void post(const char *ca_file, const char *kind, const char *path, struct got *g)
{
	struct egress_cfg cfg = {.ca_file = ca_file};
	pb_autoptr(egress) e = egress_for_test(&cfg);
	const struct egress_request req = {.method = "POST",
					   .url = url_of(kind, path),
					   .body = pb_slice_str("secret order"),
					   .redirects = 2};

	got_init(g);
	fetch(e, &req, g);
}

/* How many requests the server of @kind has had so far. */
static int64_t seen(const char *kind)
{
	struct egress_cfg cfg = {.ca_file = ca};
	pb_autoptr(egress) e = egress_for_test(&cfg);
	const struct egress_request req = {.method = "GET", .url = url_of("valid", "/seen")};
	const char *at;
	char text[64];
	int64_t n = -1;
	struct got g;

	got_init(&g);
	fetch(e, &req, &g);
	ck_assert_msg(g.http_status == 200, "%s %s", g.code, g.msg);
	(void)pb_str_printf(text, sizeof(text), "\"%s\": ", kind);
	at = strstr(pb_buf_str(&g.body), text);
	ck_assert_msg(at != NULL, "%s in %s", text, pb_buf_str(&g.body));
	at += strlen(text);
	ck_assert(pb_parse_i64(at, strspn(at, "0123456789"), 0, 1000, &n));
	got_done(&g);
	return n;
}

START_TEST(tls__private_authority_is_believed_when_told)
{
	struct got g;

	post(ca, "valid", "/", &g);
	ck_assert_msg(g.status == PB_OK, "%s %s", g.code, g.msg);
	ck_assert_int_eq(g.http_status, 200);
	ck_assert_str_eq(pb_buf_str(&g.body), "hello");
	ck_assert_int_eq(g.sent, EGRESS_SENT_MAYBE);
	got_done(&g);
	post(other_ca, "other_ca", "/", &g);
	ck_assert_msg(g.status == PB_OK, "%s %s", g.code, g.msg);
	got_done(&g);
}
END_TEST

static const struct {
	const char *kind;
	const char *ca_file; /* "": none, then the system's count */
} refused[] = {{"expired", ca},     {"wrong_name", ca},       {"no_name", ca}, {"self_signed", ca},
	       {"other_ca", ca},    {"old_tls", ca},          {"valid", ""},   {"self_signed", ""},
	       {"valid", other_ca}, {"valid", "/nonexistent"}};

START_TEST(tls__refused_before_a_byte_is_sent)
{
	const char *file = refused[_i].ca_file;
	const int64_t before = seen(refused[_i].kind);
	struct got g;

	post(*file ? file : NULL, refused[_i].kind, "/", &g);
	ck_assert_int_eq(g.status, PB_E_UNPROCESSABLE);
	ck_assert_str_eq(g.code, "egress.tls");
	ck_assert_int_eq(g.sent, EGRESS_SENT_NOTHING);
	ck_assert_int_eq(g.http_status, 0);
	got_done(&g);
	ck_assert_int_eq(seen(refused[_i].kind), before);
}
END_TEST

START_TEST(tls__checked_at_each_hop)
{
	const int64_t expired = seen("expired"), valid = seen("valid");
	struct got g;

	post(ca, "valid", "/to/expired", &g);
	ck_assert_str_eq(g.code, "egress.tls");
	ck_assert_int_eq(g.redirects, 1);
	got_done(&g);
	ck_assert_int_eq(seen("expired"), expired);
	ck_assert_int_eq(seen("valid"), valid + 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("egress_tls");
	TCase *tc = tcase_create("tls");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, start_servers, stop_servers);
	tcase_add_test(tc, tls__private_authority_is_believed_when_told);
	tcase_add_loop_test(tc, tls__refused_before_a_byte_is_sent, 0, (int)PB_ARRAY_LEN(refused));
	tcase_add_test(tc, tls__checked_at_each_hop);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
