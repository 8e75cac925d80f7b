/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Slack connector against the strict mock of ../shared/contracts, which checks each request against
 * the vendor's published description: the mock's verdict is asserted, not only the answer. Skipped (77)
 * when that folder or node is absent.
 */
#include "connector/connector_call.h"

#include <check.h>
#include "base/json.h"
#include "integration/connector/host.h"
#include "os/os_process.h"
#include "support/port.h"
#include "base/base.h"

#define CONTRACTS PB_SOURCE_DIR "/../shared/contracts"
#define PARAMS    "{\"channel\":\"C1H9RESGL\",\"text\":\"hello \\u00e9\"}"

static struct host *host;
static struct os_process mock = OS_PROCESS_INIT;
static char base[128], log_path[300], dir[256];
static uint16_t port;

/* Runs @argv in @cwd through env(1), waits; true when it exits with 0. */
static bool run(const char *const *argv, const char *const *envp, struct os_process *ret_keep)
{
	const struct os_spawn spawn = {.path = "/usr/bin/env", .argv = argv, .envp = envp};
	struct os_process p = OS_PROCESS_INIT;
	struct os_exit end;
	bool ok;

	if (os_process_spawn(&spawn, ret_keep ? ret_keep : &p, NULL) != PB_OK)
		return false;
	if (ret_keep)
		return true;
	ok = os_process_wait(&p, pb_mono_us() + 120 * PB_USEC_PER_SEC, &end) && !end.signalled &&
	     end.value == 0;
	os_process_done(&p);
	return ok;
}

/* Node and the packages of the mock: once, in a folder of our own. */
static bool install(void)
{
	static const char *const envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", NULL};
	char target[300];
	const char *const copy[] = {"env",
				    "cp",
				    "-rL",
				    CONTRACTS "/mock.mjs",
				    CONTRACTS "/package.json",
				    CONTRACTS "/package-lock.json",
				    CONTRACTS "/slack",
				    target,
				    NULL};
	const char *const npm[] = {
		"env",        "-C",        target,     "npm", "ci", "--ignore-scripts",
		"--no-audit", "--no-fund", "--silent", NULL};

	(void)pb_str_printf(target, sizeof(target), "%s", dir);
	return run(copy, envp, NULL) && run(npm, envp, NULL);
}

static bool reachable(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	(void)inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	close(fd);
	return ok;
}

static void setup(void)
{
	static const char *const envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", NULL};
	static struct connector_override over = {"slack", base};
	const struct connectors_cfg cfg = {.overrides = &over, .n_overrides = 1};
	char number[16];
	const char *const argv[] = {"env",  "-C",        dir,     "node",  "mock.mjs", "--port",
				    number, "--vendors", "slack", "--log", log_path,   NULL};
	int64_t until = pb_mono_us() + 20 * PB_USEC_PER_SEC;

	port = (uint16_t)port_reserve();
	(void)pb_str_printf(number, sizeof(number), "%u", port);
	(void)pb_str_printf(base, sizeof(base), "http://127.0.0.1:%u/slack/api", port);
	(void)pb_str_printf(log_path, sizeof(log_path), "%s/log.jsonl", dir);
	(void)unlink(log_path);
	ck_assert(run(argv, envp, &mock));
	while (!reachable() && pb_mono_us() < until)
		(void)poll(NULL, 0, 20);
	ck_assert(reachable());
	host = host_start(&cfg);
}

static void teardown(void)
{
	host_stop(host);
	os_process_done(&mock);
}

/* Asks egress for a path of the mock; the body, owned. */
struct fetched {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	char *body;
	bool done;
};

static void on_fetched(void *arg, const struct egress_answer *a)
{
	struct fetched *f = arg;

	pthread_mutex_lock(&f->lock);
	f->body = pb_xstrndup(a->body.p ? a->body.p : "", a->body.len);
	f->done = true;
	pthread_cond_signal(&f->cond);
	pthread_mutex_unlock(&f->lock);
}

static char *control(const char *method, const char *path, const char *body)
{
	struct fetched f = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	const struct egress_header type = {"Content-Type", "application/json"};
	char url[200];
	struct egress_request req = {
		.method = method, .url = url, .headers = &type, .n_headers = 1};
	struct pb_err err = PB_ERR_INIT;

	(void)pb_str_printf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
	if (body)
		req.body = pb_slice_str(body);
	ck_assert_int_eq(egress_submit(host->egress, &req, on_fetched, &f, NULL, &err), PB_OK);
	pthread_mutex_lock(&f.lock);
	while (!f.done)
		pthread_cond_wait(&f.cond, &f.lock);
	pthread_mutex_unlock(&f.lock);
	return f.body;
}

/* How many requests the mock has seen, and how many of them were not ok. */
static size_t verdicts(size_t *ret_bad)
{
	pb_autofree char *text = control("GET", "/__control/log?vendor=slack", NULL);
	size_t n = 0, ok = 0;

	for (const char *at = text; (at = strstr(at, "\"verdict\":")); at++) {
		n++;
		at += strlen("\"verdict\":");
		at += strspn(at, " ");
		ok += pb_str_starts(at, "\"ok\"");
	}
	*ret_bad = n - ok;
	return n;
}

static void post(struct result *r)
{
	call(host,
	     &(struct ask){.action = "slack.post_message", .params = PARAMS, .connection = "slack"},
	     r);
}

START_TEST(post_message__is_what_slack_takes)
{
	struct result r;
	size_t bad = 0;

	post(&r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s: %s", r.code, r.message);
	ck_assert_int_eq(r.effect, CONNECTOR_EFFECT_DONE);
	ck_assert_uint_eq(verdicts(&bad), 1);
	ck_assert_uint_eq(bad, 0);
	result_done(&r);
}
END_TEST

static const struct {
	const char *fault;
	enum connector_status status;
	enum connector_effect effect;
	int64_t retry_after_us;
} faults[] = {
	{"{\"vendor\":\"slack\",\"match\":\"chat\\\\.postMessage\",\"kind\":\"429\",\"retry_"
	 "after\":7,\"count\":1}",
	 CONNECTOR_RATE_LIMITED, CONNECTOR_EFFECT_NONE, 7000000},
	{"{\"vendor\":\"slack\",\"match\":\"chat\\\\.postMessage\",\"kind\":\"503\",\"count\":1}",
	 CONNECTOR_TRANSIENT, CONNECTOR_EFFECT_MAYBE, 0},
	{"{\"vendor\":\"slack\",\"match\":\"chat\\\\.postMessage\",\"kind\":\"drop\",\"count\":1}",
	 CONNECTOR_TRANSIENT, CONNECTOR_EFFECT_MAYBE, 0},
	{"{\"vendor\":\"slack\",\"match\":\"chat\\\\.postMessage\",\"kind\":\"reset\",\"count\":1}",
	 CONNECTOR_TRANSIENT, CONNECTOR_EFFECT_MAYBE, 0},
};

START_TEST(post_message__faults_are_classed)
{
	pb_autofree pb_unused char *set = control("POST", "/__control/faults", faults[_i].fault);
	struct result r;

	post(&r);
	ck_assert_msg(r.status == faults[_i].status, "%s: %s %s", connector_status_name(r.status),
		      r.code, r.message);
	ck_assert_int_eq(r.effect, faults[_i].effect);
	ck_assert_int_eq(r.repeatable, faults[_i].effect == CONNECTOR_EFFECT_NONE);
	ck_assert_int_eq(r.retry_after_us, faults[_i].retry_after_us);
	result_done(&r);
	post(&r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s", r.message);
	result_done(&r);
}
END_TEST

START_TEST(post_message__hundred_at_once_once_each)
{
	enum { N = 100 };
	static struct result r[N];
	size_t bad = 0;

	for (size_t i = 0; i < N; i++)
		start(host,
		      &(struct ask){.action = "slack.post_message",
				    .params = PARAMS,
				    .connection = "slack"},
		      &r[i], NULL);
	for (size_t i = 0; i < N; i++) {
		result_wait(&r[i]);
		ck_assert_msg(r[i].status == CONNECTOR_OK, "%s", r[i].message);
		result_done(&r[i]);
	}
	ck_assert_uint_eq(verdicts(&bad), N);
	ck_assert_uint_eq(bad, 0);
}
END_TEST

/* slack.test:bot with a connection that the caller has opened, as the API does it. */
static void test_bot(struct result *r)
{
	pb_autoptr(connector_action) action = NULL;
	pb_autoptr(connector_connection) opened = NULL;
	struct pb_err err = PB_ERR_INIT;
	struct connector_call_request req = {.tenant = host->tenant,
					     .step = "test",
					     .idempotency_key = "t",
					     .deadline_us = pb_mono_us() + 15 * PB_USEC_PER_SEC};

	ck_assert_int_eq(connector_registry_test(connectors_registry(host->c), "slack", NULL, "bot",
						 &action, &err),
			 PB_OK);
	ck_assert_int_eq(resolve(host, host->tenant, "slack", &opened, &err), PB_OK);
	req.action = action;
	req.opened = opened;
	result_init(r);
	ck_assert_int_eq(connector_call_start(host->c, &req, on_result, r, NULL, &err), PB_OK);
	result_wait(r);
}

static const struct {
	const char *fault;
	enum connector_status status;
} test_faults[] = {
	{"{\"vendor\":\"slack\",\"match\":\"auth\\\\.test\",\"kind\":\"401\",\"count\":1}",
	 CONNECTOR_AUTH_EXPIRED},
	{"{\"vendor\":\"slack\",\"match\":\"auth\\\\.test\",\"kind\":\"429\",\"count\":1}",
	 CONNECTOR_RATE_LIMITED},
	{"{\"vendor\":\"slack\",\"match\":\"auth\\\\.test\",\"kind\":\"503\",\"count\":1}",
	 CONNECTOR_TRANSIENT},
};

START_TEST(test_bot__tells_who_it_is_or_why_not)
{
	pb_autofree pb_unused char *set =
		control("POST", "/__control/faults", test_faults[_i].fault);
	struct result r;
	size_t bad = 0;

	test_bot(&r);
	ck_assert_msg(r.status == test_faults[_i].status, "%s: %s %s",
		      connector_status_name(r.status), r.code, r.message);
	result_done(&r);
	test_bot(&r);
	ck_assert_msg(r.status == CONNECTOR_OK, "%s: %s", r.code, r.message);
	ck_assert_ptr_nonnull(
		strstr(pb_buf_str(&r.output), "\"label\":\"Subarachnoid Workspace / "));
	ck_assert_ptr_null(strstr(pb_buf_str(&r.output), TOKEN));
	result_done(&r);
	ck_assert_uint_eq(verdicts(&bad), 2);
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(test_bot__not_with_another_connectors_connection)
{
	pb_autoptr(connector_action) action = NULL;
	pb_autoptr(connector_connection) web = NULL;
	struct pb_err err = PB_ERR_INIT;
	struct connector_call_request req = {.tenant = host->tenant, .idempotency_key = "t"};
	struct result r;

	ck_assert_int_eq(connector_registry_test(connectors_registry(host->c), "slack", NULL, "bot",
						 &action, &err),
			 PB_OK);
	ck_assert_int_eq(resolve(host, host->tenant, "web", &web, &err), PB_OK);
	req.action = action;
	req.opened = web;
	result_init(&r);
	ck_assert_int_eq(connector_call_start(host->c, &req, on_result, &r, NULL, &err), PB_OK);
	result_wait(&r);
	ck_assert_int_eq(r.status, CONNECTOR_INVALID_INPUT);
	ck_assert_str_eq(r.code, "connection.wrong_connector");
	result_done(&r);
}
END_TEST

static void remove_dir(void)
{
	static const char *const envp[] = {"PATH=/usr/bin:/bin", NULL};
	const char *const argv[] = {"env", "rm", "-rf", dir, NULL};

	(void)run(argv, envp, NULL);
}

int main(void)
{
	static const char *const envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
	const char *const node[] = {"env", "node", "--version", NULL};
	Suite *s = suite_create("connector_slack");
	TCase *tc = tcase_create("slack");
	SRunner *sr;
	int failed;

	if (access(CONTRACTS "/mock.mjs", R_OK) || !run(node, envp, NULL)) {
		fprintf(stderr, "../shared/contracts or node is absent: skipped\n");
		suite_add_tcase(s, tc);
		srunner_free(srunner_create(s));
		return 77;
	}
	(void)pb_str_copy(dir, sizeof(dir), "/tmp/patchbay-slack-XXXXXX");
	if (!mkdtemp(dir) || !install()) {
		fprintf(stderr, "the mock cannot be installed\n");
		remove_dir();
		return EXIT_FAILURE;
	}
	tcase_set_timeout(tc, 90);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, post_message__is_what_slack_takes);
	tcase_add_loop_test(tc, post_message__faults_are_classed, 0, (int)PB_ARRAY_LEN(faults));
	tcase_add_test(tc, post_message__hundred_at_once_once_each);
	tcase_add_loop_test(tc, test_bot__tells_who_it_is_or_why_not, 0,
			    (int)PB_ARRAY_LEN(test_faults));
	tcase_add_test(tc, test_bot__not_with_another_connectors_connection);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	remove_dir();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
