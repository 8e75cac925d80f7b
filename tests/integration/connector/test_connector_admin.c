/* SPDX-License-Identifier: Apache-2.0 */
/* Enable and disable while calls run, the list, what other processes say. */
#include "connector/connector_admin.h"

#include <fcntl.h>
#include <sched.h>

#include <check.h>
#include "integration/connector/host.h"
#include "base/base.h"

static struct host *host;
static struct pb_err err;

static void setup(void)
{
	host = host_start(NULL);
	err = (struct pb_err)PB_ERR_INIT;
}

static void teardown(void)
{
	host_stop(host);
}

START_TEST(disable__answers_at_once_and_enable_tells)
{
	struct result r;
	int pids[8];

	ck_assert_int_eq(connector_admin_disable(host->c, "odd", &err), PB_OK);
	call(host, &(struct ask){.action = "odd.echo"}, &r);
	ck_assert_int_eq(r.status, CONNECTOR_IS_DISABLED);
	ck_assert(!r.charged);
	ck_assert_int_lt(r.duration_us, 10 * PB_USEC_PER_SEC); /* not at its deadline */
	result_done(&r);
	ck_assert_int_eq(atomic_load(&host->ready), 0);
	ck_assert_int_eq(connector_admin_enable(host->c, "odd", &err), PB_OK);
	ck_assert_int_eq(atomic_load(&host->ready), 1);
	ck_assert_int_eq(atomic_load(&host->saved_states), 2);
	/* a runner is started before anybody calls */
	ck_assert_uint_eq(connector_admin_runner_pids(host->c, "odd", pids, 8), 1);
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
}
END_TEST

START_TEST(disable__running_calls_end_well)
{
	struct result r;

	start(host, &(struct ask){.action = "odd.slow", .params = "{\"ms\":300}"}, &r, NULL);
	while (true) { /* until it runs */
		int pids[4];

		if (connector_admin_runner_pids(host->c, "odd", pids, 4))
			break;
	}
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	ck_assert_int_eq(connector_admin_disable(host->c, "odd", &err), PB_OK);
	result_wait(&r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s", r.message);
	result_done(&r);
}
END_TEST

START_TEST(toggle__under_load_fails_no_call)
{
	enum { N = 1000 };
	static struct result r[N];
	size_t ok = 0, parked = 0;

	for (size_t i = 0; i < N; i++) {
		start(host,
		      &(struct ask){.action = i % 4 ? "odd.echo" : "odd.slow",
				    .params = i % 4 ? "{}" : "{\"ms\":20}"},
		      &r[i], NULL);
		if (i % 50 == 25)
			ck_assert_int_eq(connector_admin_disable(host->c, "odd", &err), PB_OK);
		if (i % 50 == 28)
			result_wait(&r[i]); /* it met the closed door */
		if (i % 50 == 30)
			ck_assert_int_eq(connector_admin_enable(host->c, "odd", &err), PB_OK);
	}
	for (size_t i = 0; i < N; i++) {
		result_wait(&r[i]);
		ok += r[i].status == CONNECTOR_OK;
		parked += r[i].status == CONNECTOR_IS_DISABLED && !r[i].charged;
		result_done(&r[i]);
	}
	ck_assert_uint_eq(ok + parked, N);
	ck_assert_uint_gt(parked, 0);
	ck_assert_uint_gt(ok, 0);
}
END_TEST

START_TEST(state__unknown_connector)
{
	ck_assert_int_eq(connector_admin_disable(host->c, "nothing", &err), PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "connector.unknown");
}
END_TEST

START_TEST(list__shows_states_and_numbers)
{
	pb_auto_arena arena;
	struct connector_info *list = NULL;
	size_t n = 0, seen = 0;

	pb_arena_init(&arena, 1 << 20);
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.fail"}),
			 CONNECTOR_PERMANENT);
	ck_assert_int_eq(connector_admin_disable(host->c, "slack", &err), PB_OK);
	ck_assert_int_eq(connector_admin_list(host->c, &arena, &list, &n, &err), PB_OK);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].id, "odd") == 0) {
			seen++;
			ck_assert_int_eq(list[i].state, CONNECTOR_ENABLED);
			ck_assert_uint_eq(list[i].calls, 2);
			ck_assert_uint_eq(list[i].failures, 1);
			ck_assert_uint_eq(list[i].in_flight, 0);
			ck_assert(list[i].native);
		}
		if (strcmp(list[i].id, "slack") == 0) {
			seen++;
			ck_assert_int_eq(list[i].state, CONNECTOR_DISABLED);
		}
	}
	ck_assert_uint_eq(seen, 2);
}
END_TEST

START_TEST(apply__what_other_processes_say)
{
	const struct connector_quarantine old = {
		"odd", "echo", PB_UUID_NIL, "seen elsewhere", pb_now_us() - 10 * PB_USEC_PER_MIN,
		false};

	connectors_apply_state(host->c, "odd", CONNECTOR_DISABLED);
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}),
			 CONNECTOR_IS_DISABLED);
	connectors_apply_state(host->c, "odd", CONNECTOR_ENABLED);
	ck_assert_int_eq(atomic_load(&host->ready), 1);
	connectors_apply_state(host->c, "odd", CONNECTOR_ENABLED);
	ck_assert_int_eq(atomic_load(&host->ready), 1);
	ck_assert_int_eq(atomic_load(&host->saved_states), 0);
	connectors_apply_quarantines(host->c, &old, 1);
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}),
			 CONNECTOR_QUARANTINED);
	connectors_apply_quarantines(host->c, NULL, 0);
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	ck_assert_int_eq(atomic_load(&host->ready), 2);
}
END_TEST

/* The database was away when it was decided: it holds, and is stored with the next refresh. */
START_TEST(apply__keeps_what_could_not_be_stored)
{
	const struct ask bad = {.action = "odd.abort"};

	atomic_store(&host->fail_saves, true);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(status_of_call(host, &bad), CONNECTOR_CRASHED);
	while (atomic_load(&host->failed_saves) < 1)
		sched_yield();
	connectors_apply_quarantines(host->c, NULL, 0);
	while (atomic_load(&host->failed_saves) < 2)
		sched_yield();
	ck_assert_int_eq(status_of_call(host, &bad), CONNECTOR_QUARANTINED);
	atomic_store(&host->fail_saves, false);
	connectors_apply_quarantines(host->c, NULL, 0);
	while (atomic_load(&host->saved_quarantines) < 1)
		sched_yield();
	ck_assert_int_eq(status_of_call(host, &bad), CONNECTOR_QUARANTINED);
}
END_TEST

static const char no_elf[] =
	"{\"patchbay\":1,\"id\":\"acme.broken\",\"version\":\"1.0.0\",\"name\":\"A\","
	"\"summary\":\"A\",\"categories\":[\"test\"],\"hosts\":[\"a.example\"],\"actions\":[{"
	"\"id\":\"go\",\"version\":1,\"title\":\"Go\",\"native\":true,\"idempotency\":{"
	"\"mode\":\"none\"},\"params\":{\"type\":\"object\"}}]}";

START_TEST(start_error__for_the_admin_only)
{
	int so = open(PB_SOURCE_DIR "/README.md", O_RDONLY | O_CLOEXEC);
	struct connector_info *list = NULL;
	pb_auto_arena arena;
	struct result r;
	size_t n = 0, seen = 0;

	pb_arena_init(&arena, 1 << 20);
	ck_assert_int_eq(connector_registry_add(connectors_registry(host->c), no_elf,
						strlen(no_elf), so, NULL, &err),
			 PB_OK);
	call(host, &(struct ask){.action = "acme.broken.go"}, &r);
	ck_assert_int_eq(r.status, CONNECTOR_UNAVAILABLE);
	ck_assert_str_eq(r.message, "the connector does not start on this host");
	ck_assert(!r.charged);
	ck_assert_int_eq(connector_admin_list(host->c, &arena, &list, &n, &err), PB_OK);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].id, "acme.broken") == 0) {
			ck_assert_ptr_nonnull(list[i].start_error);
			ck_assert_ptr_nonnull(strstr(list[i].start_error, "loader.elf"));
			seen++;
		} else {
			ck_assert_ptr_null(list[i].start_error);
		}
	}
	ck_assert_uint_eq(seen, 1);
	result_done(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connector_admin");
	TCase *tc = tcase_create("admin");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, disable__answers_at_once_and_enable_tells);
	tcase_add_test(tc, disable__running_calls_end_well);
	tcase_add_test(tc, toggle__under_load_fails_no_call);
	tcase_add_test(tc, state__unknown_connector);
	tcase_add_test(tc, apply__keeps_what_could_not_be_stored);
	tcase_add_test(tc, start_error__for_the_admin_only);
	tcase_add_test(tc, list__shows_states_and_numbers);
	tcase_add_test(tc, apply__what_other_processes_say);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
