/* SPDX-License-Identifier: Apache-2.0 */
/* Deaths: the P table, what is repeated, what is charged, who is put into quarantine, kill -9 under load. */
#include "connector/connector_call.h"

#include <sched.h>

#include <check.h>
#include "integration/connector/host.h"
#include "base/base.h"

static struct host *host;

static void setup(void)
{
	host = host_start(NULL);
}

static void teardown(void)
{
	host_stop(host);
}

static bool alive(int pid)
{
	char path[64];

	(void)pb_str_printf(path, sizeof(path), "/proc/%d/exe", pid);
	return access(path, F_OK) == 0;
}

static int only_runner(const char *id)
{
	int pids[8];
	size_t n = connector_admin_runner_pids(host->c, id, pids, 8);

	ck_assert_uint_eq(n, 1);
	return pids[0];
}

/* ---- P01: crashes ---- */

/* A new runner serves within this; sanitizers make its start many times slower. */
#ifdef PB_SANITIZED
#define REPLACED_US (5 * PB_USEC_PER_SEC)
#else
#define REPLACED_US (200 * PB_USEC_PER_MSEC)
#endif

static const char *const crashes[] = {
	"odd.null_write",     "odd.abort",       "odd.stack_overflow",  "odd.exit",
	"odd.exit_mid_frame", "odd.double_free", "odd.unknown_syscall", "odd.raise_kill",
	"odd.raise_stop"};

/* A call, its runner being gone; how long it took. */
static int64_t replacing_takes_us(void)
{
	const int64_t begin = pb_mono_us();

	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	return pb_mono_us() - begin;
}

START_TEST(crash__fails_one_call_and_the_next_is_served)
{
	struct result r;
	int64_t best_us;

	call(host, &(struct ask){.action = crashes[_i]}, &r);
	ck_assert_msg(r.status == CONNECTOR_CRASHED, "%s: %s", connector_status_name(r.status),
		      r.message);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	ck_assert(r.repeatable);
	ck_assert(r.charged);
	ck_assert_uint_eq(r.restarts, 2); /* with others, again, then alone */
	result_done(&r);

	/* a busy machine is late now and then, a host that waits for something each time */
	best_us = replacing_takes_us();
	for (int i = 0; i < 30 && best_us >= REPLACED_US; i++) {
		kill(only_runner("odd"), SIGKILL);
		best_us = PB_MIN(best_us, replacing_takes_us());
	}
	ck_assert_int_lt(best_us, REPLACED_US);
}
END_TEST

START_TEST(crash__innocent_calls_are_repeated_unseen)
{
	enum { N = 30 };
	static struct result slow[N];
	struct result bad;

	for (size_t i = 0; i < N; i++)
		start(host, &(struct ask){.action = "odd.slow", .params = "{\"ms\":400}"}, &slow[i],
		      NULL);
	call(host, &(struct ask){.action = "odd.abort"}, &bad);
	ck_assert_int_eq(bad.status, CONNECTOR_CRASHED);
	for (size_t i = 0; i < N; i++) {
		result_wait(&slow[i]);
		ck_assert_msg(slow[i].status == CONNECTOR_OK, "%s", slow[i].message);
		ck_assert(slow[i].charged);
		result_done(&slow[i]);
	}
	result_done(&bad);
}
END_TEST

START_TEST(garbage_frame__kills_the_runner_not_the_host)
{
	struct result r;

	call(host, &(struct ask){.action = "odd.garbage_frame"}, &r);
	ck_assert_msg(r.status == CONNECTOR_CRASHED, "%s", r.message);
	result_done(&r);
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
}
END_TEST

/* Other runners are served and its own deadline comes, however fast one writes. */
START_TEST(flood__of_frames_has_its_turn_and_no_more)
{
	const struct ask get = {.action = "http.request", .params = url_params(host, "/ok")};
	struct result flood, other;

	/* both runners are there: the flood's second goes into the flood */
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	ck_assert_int_eq(status_of_call(host, &get), CONNECTOR_OK);
	start(host,
	      &(struct ask){.action = "odd.flood",
			    .params = "{\"what\":\"emit\"}",
			    .timeout_us = PB_USEC_PER_SEC},
	      &flood, NULL);
	call(host, &get, &other);
	ck_assert_msg(other.status == CONNECTOR_OK, "%s", other.message);
	result_wait(&flood);
	ck_assert_msg(flood.status == CONNECTOR_TIMEOUT, "%s", flood.message);
	result_done(&flood);
	result_done(&other);
}
END_TEST

START_TEST(pong__that_nobody_asked_for_is_a_broken_protocol)
{
	struct result r;

	call(host, &(struct ask){.action = "odd.flood", .params = "{\"what\":\"pong\",\"n\":1}"},
	     &r);
	ck_assert_msg(r.status == CONNECTOR_CRASHED, "%s", r.message);
	ck_assert_ptr_nonnull(strstr(r.message, "PONG"));
	result_done(&r);
}
END_TEST

/* Each question costs the host memory until a worker has dealt with it. */
START_TEST(flood__of_stored_values_is_a_broken_protocol)
{
	struct result r;

	call(host, &(struct ask){.action = "odd.flood", .params = "{\"what\":\"kv\"}"}, &r);
	ck_assert_msg(r.status == CONNECTOR_CRASHED, "%s", r.message);
	ck_assert_ptr_nonnull(strstr(r.message, "before it was answered"));
	result_done(&r);
}
END_TEST

/* ---- P03, P04, P07, P09, P10 ---- */

static const char *const hogs[] = {
	"odd.malloc_flood",
	"odd.fd_leak",
#ifndef PB_SANITIZED /* shadow memory has no RLIMIT_DATA, which is what stops threads (os_sandbox.h) */
	"odd.thread_bomb",
#endif
};

START_TEST(hog__is_stopped)
{
	struct result r, next;

	call(host, &(struct ask){.action = hogs[_i], .timeout_us = 20 * PB_USEC_PER_SEC}, &r);
	if (r.status == CONNECTOR_OK)
		ck_assert_str_eq(pb_buf_str(&r.output), "{\"stopped\":\"yes\"}");
	call(host, &(struct ask){.action = "odd.echo"}, &next);
	ck_assert_msg(next.status == CONNECTOR_OK, "%s", next.message);
	result_done(&r);
	result_done(&next);
}
END_TEST

static const char *const attacks[] = {
	"passwd",      "environ",  "parent_memory",   "tmp_file",    "socket",   "unix_socket",
	"fork",        "exec",     "ptrace",          "kill_parent", "kill_all", "shared_memory",
	"exec_memory", "dumpable", "no_new_privs",    "priority",    "memfd",    "io_uring",
	"bpf",         "unshare",  "stray_descriptor"};

START_TEST(attack__is_refused)
{
	struct result r;
	char params[100];

	(void)pb_str_printf(params, sizeof(params), "{\"what\":\"%s\"}", attacks[_i]);
	call(host, &(struct ask){.action = "odd.attack", .params = params}, &r);
	/* refused with an error code, or the process ended for trying */
	if (r.status == CONNECTOR_OK)
		ck_assert_msg(strcmp(pb_buf_str(&r.output), "{\"answer\":\"refused\"}") == 0,
			      "%s %s", attacks[_i], pb_buf_str(&r.output));
	else
		ck_assert_msg(r.status == CONNECTOR_CRASHED, "%s: %s", attacks[_i], r.message);
	ck_assert_int_ne(access("/tmp/odd-was-here", F_OK), 0);
	result_done(&r);
}
END_TEST

START_TEST(environment__is_empty_of_the_hosts)
{
	struct result r;

#undef setenv
	(void)setenv("PATCHBAY_CANARY", "1", 1);
	call(host, &(struct ask){.action = "odd.environment"}, &r);
	ck_assert_int_eq(r.status, CONNECTOR_OK);
	ck_assert_ptr_null(strstr(pb_buf_str(&r.output), "CANARY"));
	result_done(&r);
}
END_TEST

START_TEST(sandbox__bounding_set_is_empty)
{
	char path[64], line[256], found[64] = "";
	struct result r;
	FILE *f;

	call(host, &(struct ask){.action = "odd.echo"}, &r);
	(void)pb_str_printf(path, sizeof(path), "/proc/%d/status", only_runner("odd"));
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "Cap", 3) == 0 && strcmp(line + 8, "0000000000000000\n") != 0)
			(void)pb_str_copy(found, sizeof(found), line);
	(void)fclose(f);
	ck_assert_str_eq(found, "");
	result_done(&r);
}
END_TEST

/* ---- effects ---- */

START_TEST(effect__after_a_safe_request_none)
{
	struct result r;

	call(host, &(struct ask){.action = "odd.get_then_crash", .params = url_params(host, "/ok")},
	     &r);
	ck_assert_int_eq(r.status, CONNECTOR_CRASHED);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	ck_assert_uint_eq(r.restarts, 2);
	ck_assert_uint_eq(mini_count(host->upstream), 3);
	result_done(&r);
}
END_TEST

START_TEST(effect__after_an_unsafe_request_maybe_and_never_again)
{
	struct result r;

	call(host,
	     &(struct ask){.action = "odd.post_then_crash", .params = url_params(host, "/ok")}, &r);
	ck_assert_int_eq(r.status, CONNECTOR_CRASHED);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_MAYBE);
	ck_assert(!r.repeatable);
	ck_assert_uint_eq(r.restarts, 0);
	ck_assert_uint_eq(mini_count(host->upstream), 1);
	result_done(&r);
}
END_TEST

static const struct {
	const char *then;
	enum connector_effect effect;
} nonsense[] = {
	{"cursor", CONNECTOR_EFFECT_DONE},
	{"cancelled", CONNECTOR_EFFECT_MAYBE},
};

START_TEST(effect__of_an_answered_post_is_never_none)
{
	struct result r;
	char params[200];

	(void)pb_str_printf(params, sizeof(params),
			    "{\"url\":\"http://127.0.0.1:%u/ok\",\"then\":\"%s\"}",
			    host->upstream->port, nonsense[_i].then);
	call(host, &(struct ask){.action = "odd.post_then", .params = params}, &r);
	ck_assert_int_eq(r.status, CONNECTOR_INTERNAL);
	ck_assert_int_eq(r.effect, nonsense[_i].effect);
	ck_assert(!r.repeatable);
	result_done(&r);
}
END_TEST

START_TEST(effect__of_a_request_under_way_is_waited_for)
{
	struct result hang;
	int pid;

	start(host, &(struct ask){.action = "odd.post_twice", .params = url_params(host, "/hang")},
	      &hang, NULL);
	mini_await(host->upstream, 1);
	pid = only_runner("odd");
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	result_wait(&hang);
	ck_assert_int_eq(hang.status, CONNECTOR_CRASHED);
	ck_assert_int_eq(hang.effect, CONNECTOR_EFFECT_MAYBE);
	ck_assert(!hang.charged); /* killed from outside */
	result_done(&hang);
}
END_TEST

/* ---- quarantine ---- */

START_TEST(quarantine__three_deaths_alone_for_the_tenant)
{
	struct pb_uuid other = pb_uuid7();
	struct result r;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.abort"}),
				 CONNECTOR_CRASHED);
	call(host, &(struct ask){.action = "odd.abort"}, &r);
	ck_assert_int_eq(r.status, CONNECTOR_QUARANTINED);
	ck_assert(!r.charged);
	ck_assert_ptr_nonnull(strstr(r.message, "signal 6"));
	result_done(&r);
	/* the operation for that tenant only */
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	ck_assert_int_eq(
		status_of_call(host, &(struct ask){.action = "odd.abort", .tenant = other}),
		CONNECTOR_CRASHED);
}
END_TEST

/* Twice beside others, then three times alone. Some may find no runner in time, which counts for nothing: they get
 * more and more of it. */
START_TEST(quarantine__of_what_hangs)
{
	struct ask hang = {.action = "odd.sleep", .key = "the same"};
	enum connector_status st = CONNECTOR_TIMEOUT;
	int n = 0;

	for (; n < 24 && st == CONNECTOR_TIMEOUT; n++) {
		hang.timeout_us = (400 << n / 6) * PB_USEC_PER_MSEC;
		st = status_of_call(host, &hang);
	}
	ck_assert_int_eq(st, CONNECTOR_QUARANTINED);
	ck_assert_int_ge(n, 6);
}
END_TEST

START_TEST(quarantine__three_tenants_for_everybody_until_lifted)
{
	struct pb_err err = PB_ERR_INIT;
	struct pb_uuid t[3];
	int64_t until;

	for (int k = 0; k < 3; k++) {
		t[k] = pb_uuid7();
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.exit",
									    .tenant = t[k]}),
					 CONNECTOR_CRASHED);
	}
	ck_assert_int_eq(
		status_of_call(host, &(struct ask){.action = "odd.exit", .tenant = pb_uuid7()}),
		CONNECTOR_QUARANTINED);
	until = pb_mono_us() + 20 * PB_USEC_PER_SEC;
	while (atomic_load(&host->saved_quarantines) < 4 && pb_mono_us() < until)
		sched_yield();
	ck_assert_int_eq(atomic_load(&host->saved_quarantines), 4);
	ck_assert_int_eq(connector_admin_lift(host->c, "odd", "exit", PB_UUID_NIL, &err), PB_OK);
	ck_assert_int_eq(atomic_load(&host->ready), 1);
	ck_assert_int_eq(
		status_of_call(host, &(struct ask){.action = "odd.exit", .tenant = pb_uuid7()}),
		CONNECTOR_CRASHED);
	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.exit", .tenant = t[0]}),
			 CONNECTOR_QUARANTINED);
	ck_assert_int_eq(connector_admin_lift(host->c, "odd", "echo", PB_UUID_NIL, &err),
			 PB_E_NOT_FOUND);
}
END_TEST

START_TEST(quarantine__sigkill_from_outside_never_counts)
{
	struct result r;

	ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	/* long enough for all kills, which make it begin again each time */
	start(host,
	      &(struct ask){.action = "odd.slow",
			    .params = "{\"ms\":5000}",
			    .key = "fixed",
			    .timeout_us = PB_USEC_PER_MIN},
	      &r, NULL);
	for (int i = 0; i < 6; i++) {
		int pid;

		/* served behind the slow one: a runner is up and has both, and the one before is gone */
		ck_assert_int_eq(status_of_call(host, &(struct ask){.action = "odd.echo"}),
				 CONNECTOR_OK);
		pid = only_runner("odd");
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		while (alive(pid))
			sched_yield();
	}
	result_wait(&r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s", r.message);
	ck_assert_uint_ge(r.restarts, 6);
	ck_assert_int_eq(atomic_load(&host->saved_quarantines), 0);
	result_done(&r);
}
END_TEST

/* ---- calls that may no longer leave ---- */

static bool never(void *arg)
{
	(void)arg;
	return false;
}

START_TEST(withheld__never_reaches_a_runner)
{
	struct result r;

	call(host, &(struct ask){.action = "odd.echo", .may_leave = never}, &r);
	ck_assert_int_eq(r.status, CONNECTOR_UNAVAILABLE);
	ck_assert_str_eq(r.code, CONNECTOR_WITHHELD);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_NONE);
	ck_assert(!r.charged);
	result_done(&r);
}
END_TEST

/* ---- kill -9 under load ---- */

START_TEST(kill__under_load_loses_no_call)
{
	enum { N = 600 };
	static struct result r[N];
	size_t restarts = 0;

	/* the last ones before a kill are long: it meets them however late it comes */
	for (size_t i = 0; i < N; i++) {
		start(host,
		      &(struct ask){.action = i % 2 ? "odd.slow" : "odd.echo",
				    .params = i % 60 > 54 && i % 2 ? "{\"ms\":3000}"
					      : i % 2              ? "{\"ms\":40}"
								   : "{}",
				    .timeout_us = PB_USEC_PER_MIN},
		      &r[i], NULL);
		if (i % 60 == 59) {
			int pids[8];
			size_t n;

			result_wait(&r[i - 40]);
			n = connector_admin_runner_pids(host->c, "odd", pids, 8);
			for (size_t k = 0; k < n; k++)
				(void)kill(pids[k], SIGKILL);
		}
	}
	for (size_t i = 0; i < N; i++) {
		result_wait(&r[i]);
		ck_assert_msg(r[i].status == CONNECTOR_OK, "%zu: %s", i, r[i].message);
		ck_assert_int_eq(r[i].calls, 1);
		restarts += r[i].restarts;
		result_done(&r[i]);
	}
	ck_assert_uint_gt(restarts, 0);
}
END_TEST

START_TEST(recycle__after_its_number_of_calls)
{
	const struct connectors_cfg cfg = {.runner_calls_total = 5};
	struct host *h = host_start(&cfg);
	int first[8], last[8];

	ck_assert_int_eq(status_of_call(h, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	ck_assert_uint_eq(connector_admin_runner_pids(h->c, "odd", first, 8), 1);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(status_of_call(h, &(struct ask){.action = "odd.echo"}),
				 CONNECTOR_OK);
	while (alive(first[0]))
		sched_yield();
	ck_assert_uint_ge(connector_admin_runner_pids(h->c, "odd", last, 8), 1);
	ck_assert_int_ne(first[0], last[0]);
	host_stop(h);
}
END_TEST

START_TEST(idle__runner_ends_and_comes_back)
{
	const struct connectors_cfg cfg = {.runner_idle_us = 100000};
	struct host *h = host_start(&cfg);
	int pids[8];

	ck_assert_int_eq(status_of_call(h, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	while (connector_admin_runner_pids(h->c, "odd", pids, 8))
		sched_yield();
	ck_assert_int_eq(status_of_call(h, &(struct ask){.action = "odd.echo"}), CONNECTOR_OK);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connector_dispatch");
	TCase *tc = tcase_create("dispatch");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 90);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, crash__fails_one_call_and_the_next_is_served, 0,
			    (int)PB_ARRAY_LEN(crashes));
	tcase_add_test(tc, crash__innocent_calls_are_repeated_unseen);
	tcase_add_test(tc, garbage_frame__kills_the_runner_not_the_host);
	tcase_add_test(tc, flood__of_frames_has_its_turn_and_no_more);
	tcase_add_test(tc, pong__that_nobody_asked_for_is_a_broken_protocol);
	tcase_add_test(tc, flood__of_stored_values_is_a_broken_protocol);
	tcase_add_loop_test(tc, hog__is_stopped, 0, (int)PB_ARRAY_LEN(hogs));
	tcase_add_loop_test(tc, attack__is_refused, 0, (int)PB_ARRAY_LEN(attacks));
	if (geteuid() == 0) /* others may not drop it, and cannot use it either */
		tcase_add_test(tc, sandbox__bounding_set_is_empty);
	tcase_add_test(tc, environment__is_empty_of_the_hosts);
	tcase_add_test(tc, effect__after_a_safe_request_none);
	tcase_add_test(tc, effect__after_an_unsafe_request_maybe_and_never_again);
	tcase_add_loop_test(tc, effect__of_an_answered_post_is_never_none, 0,
			    (int)PB_ARRAY_LEN(nonsense));
	tcase_add_test(tc, effect__of_a_request_under_way_is_waited_for);
	tcase_add_test(tc, quarantine__three_deaths_alone_for_the_tenant);
	tcase_add_test(tc, quarantine__of_what_hangs);
	tcase_add_test(tc, quarantine__three_tenants_for_everybody_until_lifted);
	tcase_add_test(tc, quarantine__sigkill_from_outside_never_counts);
	tcase_add_test(tc, withheld__never_reaches_a_runner);
	tcase_add_test(tc, kill__under_load_loses_no_call);
	tcase_add_test(tc, recycle__after_its_number_of_calls);
	tcase_add_test(tc, idle__runner_ends_and_comes_back);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
