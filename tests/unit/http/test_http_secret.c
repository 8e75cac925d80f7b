/* SPDX-License-Identifier: Apache-2.0 */
/* Of a request to a secret route nothing is left in the process: all writable memory is searched for it. */
#include "http/http_server.h"

#include "http_fixture.h"
#include "support/check_main.h"
#include "base/base.h"

#define N 24
/* A sanitizer's shadow is no memory to search, and freed blocks stay in its quarantine. */
#ifdef PB_SANITIZED
#define ROUNDS 0
#else
#define ROUNDS 2
#endif

static char needle[N]; /* made at run time: the only place where it may be found */

/* Counts @needle in all memory that can be written, itself not counted. */
static unsigned found(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], perms[8];
	unsigned long from, to;
	unsigned n = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		const char *at;

		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) != 3 ||
		    strncmp(perms, "rw", 2) != 0)
			continue;
		at = (const char *)from;
		while ((at = memmem(at, (size_t)((const char *)to - at), needle, N)) != NULL) {
			n += at != needle;
			at += N;
		}
	}
	fclose(f);
	return n;
}

/* The body comes behind its head: when the client is asked to continue. */
static void ask(bool chunked)
{
	struct pb_buf answer = PB_BUF_INIT;
	int fd = client_connect(fx_port);
	char body[N + 2];

	body[0] = body[N + 1] = '"';
	memcpy(body + 1, needle, N);
	ck_assert(client_say(fd, "POST /keep HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"));
	ck_assert(client_say(fd, chunked ? "Transfer-Encoding: chunked\r\n\r\n"
					 : "Content-Length: 26\r\n\r\n"));
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_int_eq(client_status(&answer), 100);
	pb_buf_clear(&answer);
	ck_assert(!chunked || client_say(fd, "1a\r\n"));
	ck_assert(client_send(fd, body, sizeof(body)));
	ck_assert(!chunked || client_say(fd, "\r\n0\r\n\r\n"));
	ck_assert_int_eq(client_read(fd, &answer, CLIENT_WAIT_US), 1);
	ck_assert_int_eq(client_status(&answer), 200);
	ck_assert_ptr_nonnull(memmem(answer.p, answer.len, needle, N));
	close(fd);
	explicit_bzero(answer.p, answer.len);
	explicit_bzero(body, sizeof(body));
	pb_buf_done(&answer);
}

START_TEST(secret__leaves_nothing_behind)
{
	for (size_t i = 0; i < N; i++)
		needle[i] = (char)('a' + pb_random_u64() % 26);
	fx_start((struct http_cfg){.threads = 8});
	fx_warm_up();
	ask(_i == 1);
	fx_stop();
	ck_assert_uint_eq(found(), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("http_secret");
	TCase *t = tcase_create("secret");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, secret__leaves_nothing_behind, 0, ROUNDS);
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
