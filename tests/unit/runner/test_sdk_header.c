/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SDK as its users get it: the header under strict compilers of C99 and C++11, the 1.0 layout, and one
 * exported symbol in what is built with it. Runs the compilers of this machine; an absent one is not tested.
 */
#include "support/runner_peer.h"
#include "support/check_main.h"

#include "../../../sdk/abi/connector-1.0.lock.h"

static const char source[] =
	"#include <patchbay/connector.h>\n"
	"#include <patchbay/json.h>\n"
	"static patchbay_status f(const struct patchbay_host *h, struct patchbay_call *c)\n"
	"{ return patchbay_result(h, c, \"1\", 1); }\n"
	"static const struct patchbay_operation ops[] = {{\"action:x\", f}};\n"
	"static const unsigned char manifest[] = {'{', '}'};\n"
	"PATCHBAY_MODULE(ops, manifest, sizeof(manifest))\n";

#define STRICT                                                                                     \
	"-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wpadded", "-Wshadow", "-Werror",       \
		"-fsyntax-only", "-I" PB_SOURCE_DIR "/sdk/include"

static const struct {
	const char *path;
	const char *const argv[20];
} compilers[] = {
	{"/usr/bin/gcc", {"gcc", "-xc", "-std=c99", STRICT, "-Wstrict-prototypes", NULL}},
	{"/usr/bin/gcc", {"gcc", "-xc", "-std=c17", STRICT, "-Wmissing-prototypes", NULL}},
	{"/usr/bin/g++", {"g++", "-xc++", "-std=c++11", STRICT, NULL}},
	{"/usr/bin/g++", {"g++", "-xc++", "-std=c++20", STRICT, NULL}},
	{"/usr/bin/clang", {"clang", "-xc", "-std=c99", STRICT, NULL}},
	{"/usr/bin/clang++", {"clang++", "-xc++", "-std=c++11", STRICT, NULL}},
};

/* Runs a program with @fds; its exit code, -1 when it died. */
static int run(const char *path, const char *const *argv, const struct os_fd_map *fds, size_t n_fds)
{
	static const char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
	const struct os_spawn spawn = {path, argv, env, fds, n_fds};
	struct os_process p = OS_PROCESS_INIT;
	struct os_exit ended = {true, 0};

	ck_assert_int_eq(os_process_spawn(&spawn, &p, NULL), PB_OK);
	ck_assert(os_process_wait(&p, pb_mono_us() + 60 * PB_USEC_PER_SEC, &ended));
	os_process_done(&p);
	return ended.signalled ? -1 : ended.value;
}

START_TEST(header__compiles_without_a_warning)
{
	char name[] = "/tmp/patchbay-header-XXXXXX";
	const char *argv[21] = {NULL};
	int fd, rc;
	size_t n = 0;

	if (access(compilers[_i].path, X_OK) != 0)
		return;
	while (compilers[_i].argv[n]) {
		argv[n] = compilers[_i].argv[n];
		n++;
	}
	argv[n] = name;
	fd = mkstemp(name);
	ck_assert_int_eq(write(fd, source, sizeof(source) - 1), sizeof(source) - 1);
	const struct os_fd_map fds[] = {{0, 0}, {1, 1}, {2, 2}};
	rc = run(compilers[_i].path, argv, fds, 3);
	(void)close(fd);
	(void)unlink(name);
	ck_assert_int_eq(rc, 0);
}
END_TEST

static const char *const plugins[] = {"odd", "http", "slack"};

START_TEST(plugin__exports_one_symbol)
{
	char path[512], text[4096] = {0};
	const char *const argv[] = {"nm", "-D", "--defined-only", "--format=just-symbols",
				    path, NULL};
	int fds[2];
	ssize_t n;

	if (access("/usr/bin/nm", X_OK) != 0)
		return;
	(void)snprintf(path, sizeof(path), "%s/plugins/%s/%s.so", PB_BINARY_DIR, plugins[_i],
		       plugins[_i]);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	const struct os_fd_map map[] = {{0, 0}, {fds[1], 1}, {2, 2}};
	ck_assert_int_eq(run("/usr/bin/nm", argv, map, 3), 0);
	(void)close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	(void)close(fds[0]);
	ck_assert_int_gt(n, 0);
	ck_assert_str_eq(text, "patchbay_connector_v1\n");
}
END_TEST

static patchbay_status answer(struct patchbay_call *call, struct patchbay_text *ret)
{
	(void)call;
	ret->ptr = "{}";
	ret->len = 2;
	return PATCHBAY_OK;
}

/* A host that ends after its first slot: the rest must not be looked at. */
START_TEST(wrapper__of_an_absent_slot_is_unsupported)
{
	struct patchbay_host small = {.size = offsetof(struct patchbay_host, param),
				      .params = answer};
	struct patchbay_text text = {NULL, 0};
	struct patchbay_failure failure = PATCHBAY_FAILURE_INIT;

	memset((char *)&small + small.size, 0xa5, sizeof(small) - small.size);
	failure.status = PATCHBAY_TRANSIENT;
	ck_assert_int_eq(patchbay_params(&small, NULL, &text), PATCHBAY_OK);
	ck_assert_int_eq(patchbay_param(&small, NULL, "", &text), PATCHBAY_UNSUPPORTED);
	ck_assert_int_eq(patchbay_http(&small, NULL, NULL, NULL), PATCHBAY_UNSUPPORTED);
	ck_assert_int_eq(patchbay_fail(&small, NULL, &failure), PATCHBAY_TRANSIENT);
	ck_assert_ptr_null(patchbay_alloc(&small, NULL, 1));
	ck_assert_ptr_null(patchbay_extension(&small, NULL, PATCHBAY_FILES_V1));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sdk_header");
	TCase *tc = tcase_create("sdk");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, header__compiles_without_a_warning, 0, PB_ARRAY_LEN(compilers));
	tcase_add_loop_test(tc, plugin__exports_one_symbol, 0, PB_ARRAY_LEN(plugins));
	tcase_add_test(tc, wrapper__of_an_absent_slot_is_unsupported);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
