/* SPDX-License-Identifier: Apache-2.0 */
/* core/connector/connector_registry.c: scanning, versions, handles that outlive changes, races. */
#include "connector/connector_registry.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/lock.h"
#include "base/base.h"

static struct connector_registry *reg;
static struct pb_err err;
static char dir[128];
static struct pb_arena arena;
static struct pb_problems faults;

static void manifest(char *out, size_t cap, const char *id, const char *version)
{
	(void)pb_str_printf(out, cap,
			    "{\"patchbay\":1,\"id\":\"%s\",\"version\":\"%s\",\"name\":\"N\","
			    "\"actions\":[{\"id\":\"go\","
			    "\"version\":1,\"title\":\"Go\",\"request\":{},\"idempotency\":{"
			    "\"mode\":\"none\"}}]}",
			    id, version);
}

static void put(const char *id, const char *file, const char *text)
{
	char path[300];
	int fd;

	(void)pb_str_printf(path, sizeof(path), "%s/%s", dir, id);
	(void)mkdir(path, 0700);
	(void)pb_str_printf(path, sizeof(path), "%s/%s/%s", dir, id, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void put_manifest(const char *folder, const char *id, const char *version)
{
	char text[512];

	manifest(text, sizeof(text), id, version);
	put(folder, "manifest.json", text);
}

static void add(const char *id, const char *version)
{
	char text[512];

	manifest(text, sizeof(text), id, version);
	ck_assert_int_eq(connector_registry_add(reg, text, strlen(text), -1, NULL, &err), PB_OK);
}

static void setup(void)
{
	err = (struct pb_err)PB_ERR_INIT;
	reg = connector_registry_new();
	pb_arena_init(&arena, 1 << 20);
	pb_problems_init(&faults, &arena, 50);
	(void)pb_str_copy(dir, sizeof(dir), "/tmp/patchbay-registry-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	static const char *const names[] = {"a", "b", "com.acme.crm"};
	static const char *const files[] = {"manifest.json", "a.so", "b.so"};
	char path[300];

	for (size_t i = 0; i < PB_ARRAY_LEN(names); i++) {
		for (size_t k = 0; k < PB_ARRAY_LEN(files); k++) {
			(void)pb_str_printf(path, sizeof(path), "%s/%s/%s", dir, names[i],
					    files[k]);
			(void)unlink(path);
		}
		(void)pb_str_printf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)rmdir(path);
	}
	(void)rmdir(dir);
	connector_registry_free(reg);
	pb_arena_done(&arena);
}

static const char *version_of(const char *name, const char *version)
{
	pb_autoptr(connector_action) a = NULL;

	if (connector_registry_action(reg, name, version, &a, &err) != PB_OK)
		return err.code;
	return connector_action_manifest(a)->version; /* lives on in the registry */
}

START_TEST(action__name_version_and_errors)
{
	add("a", "1.9.0");
	add("a", "1.10.0");
	add("a", "1.10.0-rc.1");
	add("com.acme.crm", "2.0.0");
	ck_assert_str_eq(version_of("a.go", NULL), "1.10.0");
	ck_assert_str_eq(version_of("a.go", "1.9.0"), "1.9.0");
	ck_assert_str_eq(version_of("a.go", "1.10.0-rc.1"), "1.10.0-rc.1");
	ck_assert_str_eq(version_of("com.acme.crm.go", NULL), "2.0.0");
	ck_assert_str_eq(version_of("a.go", "3.0.0"), "connector.version_unknown");
	ck_assert_str_eq(version_of("a.gone", NULL), "connector.action_unknown");
	ck_assert_str_eq(version_of("b.go", NULL), "connector.unknown");
	ck_assert_str_eq(version_of("nodot", NULL), "connector.unknown");
	ck_assert_str_eq(version_of("com.acme.go", NULL), "connector.unknown");
}
END_TEST

START_TEST(action__outlives_what_replaces_it)
{
	pb_autoptr(connector_action) a = NULL;

	put_manifest("a", "a", "1.0.0");
	ck_assert_int_eq(connector_registry_scan(reg, dir, &faults, &err), PB_OK);
	ck_assert_int_eq(connector_registry_action(reg, "a.go", NULL, &a, &err), PB_OK);
	put_manifest("a", "a", "2.0.0");
	ck_assert_int_eq(connector_registry_scan(reg, dir, &faults, &err), PB_OK);
	ck_assert_str_eq(version_of("a.go", NULL), "2.0.0");
	ck_assert_str_eq(connector_action_manifest(a)->version, "1.0.0");
	ck_assert_str_eq(connector_action_name(a), "a.go");
	connector_action_unref(connector_action_ref(a));
	ck_assert_str_eq(connector_action_operation(a)->title, "Go");
}
END_TEST

START_TEST(scan__keeps_the_old_when_the_new_is_broken)
{
	put_manifest("a", "a", "1.0.0");
	put_manifest("b", "b", "1.0.0");
	ck_assert_int_eq(connector_registry_scan(reg, dir, &faults, &err), PB_OK);
	ck_assert_uint_eq(faults.n, 0);
	put("a", "manifest.json", "{broken");
	put_manifest("b", "other", "1.0.0"); /* not named like its folder */
	ck_assert_int_eq(connector_registry_scan(reg, dir, &faults, &err), PB_OK);
	ck_assert_uint_eq(faults.n, 2);
	ck_assert_str_eq(version_of("a.go", NULL), "1.0.0");
	ck_assert_str_eq(version_of("b.go", NULL), "1.0.0");
	ck_assert_str_eq(version_of("other.go", NULL), "connector.unknown");
}
END_TEST

START_TEST(scan__native_needs_its_plugin)
{
	static const char text[] = "{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":"
				   "\"N\",\"actions\":[{\"id\":\"go\","
				   "\"version\":1,\"title\":\"Go\",\"native\":true,\"idempotency\":"
				   "{\"mode\":\"none\"}}]}";
	pb_autoptr(connector_version) v = NULL;

	put("a", "manifest.json", text);
	ck_assert_int_eq(connector_registry_scan(reg, dir, &faults, &err), PB_OK);
	ck_assert_uint_eq(faults.n, 1);
	ck_assert_str_eq(faults.first->code, "connector.plugin_missing");
	put("a", "a.so", "not really one, but sealed all the same");
	ck_assert_int_eq(connector_registry_scan(reg, dir, &faults, &err), PB_OK);
	v = connector_registry_version(reg, "a", NULL);
	ck_assert_ptr_nonnull(v);
	ck_assert_int_ge(connector_version_plugin(v), 0);
	/* sealed: nobody changes it any more */
	ck_assert_int_lt(write(connector_version_plugin(v), "x", 1), 0);
	ck_assert_int_lt(ftruncate(connector_version_plugin(v), 0), 0);
	ck_assert_uint_eq(strlen(connector_version_hash(v)), 64);
}
END_TEST

START_TEST(test__of_a_credential_that_has_one)
{
	static const char text[] =
		"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"N\","
		"\"credentials\":[{\"id\":\"plain\",\"type\":\"none\"},"
		"{\"id\":\"asked\",\"type\":\"none\",\"test\":{\"request\":{}}},"
		"{\"id\":\"key\",\"type\":\"none\",\"test\":{\"native\":true}}],"
		"\"actions\":[{\"id\":\"go\",\"version\":1,\"title\":\"Go\",\"request\":{},"
		"\"idempotency\":{\"mode\":\"none\"}}]}";
	static const char *const without[] = {"plain", "asked", "gone", ""};
	pb_autoptr(connector_action) a = NULL;
	pb_autoptr(connector_action) go = NULL;

	put("a", "manifest.json", text);
	put("a", "a.so", "sealed");
	ck_assert_int_eq(connector_registry_scan(reg, dir, &faults, &err), PB_OK);
	ck_assert_int_eq(connector_registry_test(reg, "a", NULL, "key", &a, &err), PB_OK);
	ck_assert_str_eq(connector_action_name(a), "a.test:key");
	ck_assert_str_eq(connector_action_operation(a)->name, "test:key");
	ck_assert(connector_action_accepts(a, "key"));
	ck_assert(!connector_action_accepts(a, "plain"));
	ck_assert(!connector_action_accepts(a, NULL));
	/* not to be had as an action, and the actions are where they were */
	ck_assert_str_eq(version_of("a.test:key", NULL), "connector.action_unknown");
	ck_assert_int_eq(connector_registry_action(reg, "a.go", "1.0.0", &go, &err), PB_OK);
	ck_assert_str_eq(connector_action_operation(go)->id, "go");
	for (size_t i = 0; i < PB_ARRAY_LEN(without); i++) {
		ck_assert_int_eq(connector_registry_test(reg, "a", NULL, without[i], &go, &err),
				 PB_E_UNPROCESSABLE);
		ck_assert_str_eq(err.code, "connection.no_test");
	}
	ck_assert_int_eq(connector_registry_test(reg, "b", NULL, "key", &go, &err), PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "connector.unknown");
	ck_assert_int_eq(connector_registry_test(reg, "a", "2.0.0", "key", &go, &err),
			 PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "connector.version_unknown");
	/* the handle outlives its version */
	put_manifest("a", "a", "2.0.0");
	ck_assert_int_eq(connector_registry_scan(reg, dir, &faults, &err), PB_OK);
	ck_assert_str_eq(connector_action_manifest(a)->version, "1.0.0");
}
END_TEST

START_TEST(scan__no_directory)
{
	ck_assert_int_eq(connector_registry_scan(reg, "/nonexistent/patchbay", &faults, &err),
			 PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "connector.dir");
}
END_TEST

START_TEST(accepts__credentials)
{
	static const char text[] =
		"{\"patchbay\":1,\"id\":\"a\",\"version\":\"1.0.0\",\"name\":\"N\",\"credentials\":"
		"[{\"id\":\"key\","
		"\"type\":\"fields\"}],\"actions\":[{\"id\":\"go\",\"version\":1,\"title\":\"Go\","
		"\"request\":{},"
		"\"credentials\":[\"key\"],\"idempotency\":{\"mode\":\"none\"}}]}";
	pb_autoptr(connector_action) a = NULL;

	ck_assert_int_eq(connector_registry_add(reg, text, strlen(text), -1, NULL, &err), PB_OK);
	ck_assert_int_eq(connector_registry_action(reg, "a.go", NULL, &a, &err), PB_OK);
	ck_assert(connector_action_accepts(a, "key"));
	ck_assert(!connector_action_accepts(a, "other"));
	ck_assert(!connector_action_accepts(a, NULL));
}
END_TEST

static atomic_bool stop;

static void *reader(void *arg)
{
	atomic_size_t *n = arg;
	struct pb_err e = PB_ERR_INIT;

	while (!atomic_load(&stop)) {
		struct connector_action *a = NULL;

		if (connector_registry_action(reg, "a.go", NULL, &a, &e) != PB_OK)
			return (void *)1;
		if (strcmp(connector_action_operation(a)->id, "go") != 0)
			return (void *)1;
		connector_action_unref(a);
		atomic_fetch_add(n, 1);
	}
	return NULL;
}

START_TEST(snapshot__readers_and_changes_at_once)
{
	pthread_t t[3];
	static atomic_size_t n[3];
	const int64_t end = pb_mono_us() + 20 * PB_USEC_PER_SEC;
	bool all_read = false;
	void *bad = NULL;

	atomic_store(&stop, false);
	add("a", "1.0.0");
	for (size_t i = 0; i < 3; i++)
		t[i] = pb_thread_start("reader", 128 * 1024, reader, &n[i]);
	/* a busy machine starts a thread late: until each has read beside the changes */
	for (int i = 0; i < 300 || (!all_read && pb_mono_us() < end); i++) {
		char version[32];

		all_read = true;
		for (size_t k = 0; k < 3; k++)
			all_read = all_read && atomic_load(&n[k]) >= 100;
		(void)pb_str_printf(version, sizeof(version), "1.0.%d", i % 8);
		add("a", version);
	}
	atomic_store(&stop, true);
	ck_assert(all_read);
	for (size_t i = 0; i < 3; i++) {
		pthread_join(t[i], &bad);
		ck_assert_ptr_null(bad);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connector_registry");
	TCase *tc = tcase_create("registry");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, action__name_version_and_errors);
	tcase_add_test(tc, action__outlives_what_replaces_it);
	tcase_add_test(tc, scan__keeps_the_old_when_the_new_is_broken);
	tcase_add_test(tc, scan__native_needs_its_plugin);
	tcase_add_test(tc, test__of_a_credential_that_has_one);
	tcase_add_test(tc, scan__no_directory);
	tcase_add_test(tc, accepts__credentials);
	tcase_add_test(tc, snapshot__readers_and_changes_at_once);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
