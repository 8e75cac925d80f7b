/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine on real servers with real runners: what is accepted runs to its end once, through duplicates, dead
 * lease holders, waits, decisions, cancellation and a database that dies.
 */
#include "engine/engine.h"

#define PB_ALLOW_GETENV /* pg_db.h wants it, and base.h comes before */
#include <poll.h>

#include "bus/bus.h"
#include "engine/engine_run.h"
#include "integration/connector/host.h"
#include "store/store_execution_view.h"
#include "store/store_tenant.h"
#include "store/store_workflow.h"
#include "support/check_main.h"
#include "support/pg_db.h"
#include "support/store_sync.h"

#include "base/base.h"

#define SEC     PB_USEC_PER_SEC
#define LONG_US (60 * SEC)

static struct pg_db db;
static struct pg_pool *api_pool, *engine_pool, *admin_pool;
static struct pg_writer *writer;
static struct bus *bus;
static struct host *host;
static struct crypto_secret *key;
static struct engine *engine;
static struct pb_arena arena;
static int64_t lease_us;

static struct pg_pool *open_pool(const char *url)
{
	struct pg_pool *pool;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(
		pg_pool_new(
			&(struct pg_pool_config){.url = url, .max_connections = 8, PG_DB_PATIENT},
			&pool, &err) == PB_OK,
		"%s", err.msg);
	return pool;
}

static void open_engine(void)
{
	struct pb_err err = PB_ERR_INIT;
	struct engine_cfg cfg = {
		.writer = writer,
		.engine_pool = engine_pool,
		.api_pool = api_pool,
		.leader_url = db.engine_url,
		.bus = bus,
		.connectors = host->c,
		.idempotency_key = key,
		.run_worker = true,
		.run_schedule = true,
		.lease_us = lease_us,
		.redispatch_after_us = SEC,
		.sweep_interval_us = SEC / 10,
	};

	ck_assert_msg(engine_new(&cfg, &engine, &err) == PB_OK, "%s", err.msg);
	engine_start(engine);
}

static void open_all(int64_t with_lease_us)
{
	struct pb_err err = PB_ERR_INIT;
	char prefix[64];

	lease_us = with_lease_us;
	pg_db_open(&db);
	pb_arena_init(&arena, (size_t)256 * 1024 * 1024);
	host = host_start(NULL);
	key = crypto_secret_random(32);
	api_pool = open_pool(db.api_url);
	engine_pool = open_pool(db.engine_url);
	admin_pool = open_pool(db.admin_url);
	ck_assert_int_eq(store_tenant_create(admin_pool, host->tenant, "aa", "A", &err), PB_OK);
	ck_assert_int_eq(
		pg_writer_new(&(struct pg_writer_config){.url = db.engine_url}, &writer, &err),
		PB_OK);
	ck_assert(pb_str_printf(prefix, sizeof(prefix), "enginetest%s", db.name + 7));
	ck_assert_int_eq(
		bus_open(&(struct bus_cfg){.url = getenv("PB_TEST_NATS_URL"), .prefix = prefix},
			 &bus, &err),
		PB_OK);
	ck_assert(bus_wait_ready(bus, LONG_US));
	open_engine();
}

/* No pause of a busy machine ends such a lease. */
static void setup(void)
{
	open_all(30 * SEC);
}

/* Where leases run out. */
static void setup_short_leases(void)
{
	open_all(5 * SEC);
}

static void teardown(void)
{
	engine_drain(engine, pb_mono_us() + SEC);
	engine_stop(engine);
	host_stop(host);
	pg_writer_free(writer);
	bus_close(bus);
	engine_free(engine);
	crypto_secret_free(key);
	pg_pool_free(admin_pool);
	pg_pool_free(engine_pool);
	pg_pool_free(api_pool);
	pb_arena_done(&arena);
	pg_db_close(&db);
}

/* ---- workflows and executions ---- */

/* Steps written with ' for "; %s stands for the upstream's address. Version 1 of a new workflow. */
static struct pb_uuid workflow(const char *steps, const char *more)
{
	pb_auto_buf text = PB_BUF_INIT;
	struct store_workflow *made;
	struct pb_err err = PB_ERR_INIT;
	const char *at;

	pb_buf_adds(&text, "{'patchbay':1,'name':'n','trigger':{'type':'webhook','with':{'respond':"
			   "'result'}},'steps':[");
	for (; (at = strstr(steps, "%s")); steps = at + 2) {
		pb_buf_add(&text, steps, (size_t)(at - steps));
		pb_buf_addf(&text, "http://127.0.0.1:%u", host->upstream->port);
	}
	pb_buf_addf(&text, "%s]%s}", steps, more);
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '\'')
			text.p[i] = '"';
	}
	struct store_workflow_save save = {.name = PB_SLICE("n"),
					   .definition = pb_slice(text.p, text.len),
					   .trigger_type = PB_SLICE("webhook"),
					   .publish = true};

	ck_assert_msg(store_workflow_create(api_pool, host->tenant, pb_uuid7(), &save, true, &arena,
					    &made, &err) == PB_OK,
		      "%s", err.msg);
	return made->id;
}

static struct engine_accept_request request(struct pb_uuid wf)
{
	return (struct engine_accept_request){.tenant = host->tenant,
					      .workflow = wf,
					      .version = 1,
					      .trigger = PB_SLICE("{\"body\":{\"n\":7}}")};
}

static struct pb_uuid accepted(struct pb_uuid wf)
{
	struct engine_accept_request req = request(wf);
	struct engine_accepted ret;
	struct pb_err err = PB_ERR_INIT;

	ck_assert_msg(engine_accept(engine, &req, &arena, &ret, &err) == PB_OK, "%s", err.msg);
	return ret.id;
}

/* False while the database is away. */
static bool look(struct pb_uuid id, struct store_execution **ret)
{
	return store_execution_get(api_pool, host->tenant, id, &arena, ret, NULL) == PB_OK;
}

static struct store_execution *await(struct pb_uuid id, enum model_execution_status status)
{
	int64_t deadline = pb_mono_us() + LONG_US;
	struct store_execution *x = NULL;

	while (!look(id, &x) || x->status != status) {
		ck_assert_msg(pb_mono_us() < deadline, "still %d", x ? (int)x->status : -1);
		ck_assert_msg(!x || !model_execution_status_is_final(x->status),
			      "ended as %s: %.*s", model_execution_status_name(x->status),
			      (int)x->error.len, x->error.p ? x->error.p : "");
		(void)poll(NULL, 0, 5);
	}
	return x;
}

static const struct store_step *step(struct pb_uuid id, const char *name)
{
	struct store_step *steps;
	struct pb_err err = PB_ERR_INIT;
	size_t n;

	ck_assert_int_eq(
		store_execution_steps(api_pool, host->tenant, id, &arena, &steps, &n, &err), PB_OK);
	for (size_t i = 0; i < n; i++) {
		if (pb_slice_eq_str(steps[i].step_id, name))
			return &steps[i];
	}
	ck_abort_msg("no step %s", name);
}

static size_t upstream_requests(void)
{
	size_t n;

	pthread_mutex_lock(&host->upstream->lock);
	n = host->upstream->n_requests;
	pthread_mutex_unlock(&host->upstream->lock);
	return n;
}

#define POST(id)                                                                                   \
	"{'id':'" id "','type':'action','action':'http.request','with':{'method':'POST','url':"    \
	"'%s/ok','body':{'a':1}}}"

/* ---- the way of one execution ---- */

START_TEST(accept__runs_to_its_end)
{
	struct pb_uuid id = accepted(
		workflow("{'id':'a','type':'set','with':{'v':'{{ trigger.body.n + 1 }}'}},"
			 "{'id':'b','type':'if','with':{'condition':'{{ steps.a.v == 8 }}'}},"
			 "{'id':'c','type':'action','action':'odd.echo','with':{'got':"
			 "'{{ steps.a.v }}'}},{'id':'d','type':'set','with':{}}",
			 ",'edges':[['trigger','a'],['a','b'],['b.true','c'],['b.false','d']]"));
	struct store_execution *x = await(id, MODEL_EXECUTION_SUCCEEDED);

	ck_assert(pb_slice_eq_str(step(id, "a")->output, "{\"v\":8}"));
	ck_assert(pb_slice_eq_str(step(id, "c")->output, "{\"got\":8}"));
	ck_assert_int_eq(step(id, "c")->attempt, 1);
	ck_assert_int_eq(step(id, "d")->status, MODEL_STEP_SKIPPED);
	ck_assert(pb_slice_eq_str(x->result, "{\"got\":8}"));
	ck_assert_int_eq(x->epoch, 1);
}
END_TEST

START_TEST(accept__waits_for_the_result)
{
	struct engine_accept_request req = request(
		workflow("{'id':'a','type':'set','with':{'v':'{{ trigger.body.n }}'}}", ""));
	struct engine_accepted ret;
	struct pb_err err = PB_ERR_INIT;

	req.wait_us = LONG_US;
	ck_assert_int_eq(engine_accept(engine, &req, &arena, &ret, &err), PB_OK);
	ck_assert(ret.ended);
	ck_assert_int_eq(ret.status, MODEL_EXECUTION_SUCCEEDED);
	ck_assert(pb_slice_eq_str(ret.result, "{\"v\":7}"));
	/* the deadline comes first: it goes on */
	req.workflow =
		workflow("{'id':'a','type':'action','action':'odd.slow','with':{'ms':4000}}", "");
	req.wait_us = SEC / 20;
	ck_assert_int_eq(engine_accept(engine, &req, &arena, &ret, &err), PB_OK);
	ck_assert(!ret.ended);
	(void)await(ret.id, MODEL_EXECUTION_SUCCEEDED);
}
END_TEST

START_TEST(accept__waiting_for_a_workflow_that_is_not_there_fails_with_a_reason)
{
	struct engine_accept_request req =
		request(workflow("{'id':'a','type':'set','with':{}}", ""));
	struct engine_accepted ret;
	struct pb_err err = PB_ERR_INIT;

	req.version = 9;
	req.wait_us = LONG_US;
	if (engine_accept(engine, &req, &arena, &ret, &err) != PB_OK)
		return; /* refused by the store is as good */
	ck_assert(ret.ended);
	ck_assert_int_eq(ret.status, MODEL_EXECUTION_FAILED);
	ck_assert_ptr_nonnull(ret.error.p);
}
END_TEST

START_TEST(accept__same_key_is_one_execution)
{
	struct engine_accept_request req = request(workflow(POST("a"), ""));
	struct engine_accepted first, second;
	struct pb_err err = PB_ERR_INIT;

	req.idempotency_scope = PB_SLICE("hook:1");
	req.idempotency_key_hash[0] = 1;
	ck_assert_int_eq(engine_accept(engine, &req, &arena, &first, &err), PB_OK);
	(void)await(first.id, MODEL_EXECUTION_SUCCEEDED);
	ck_assert_int_eq(engine_accept(engine, &req, &arena, &second, &err), PB_OK);
	ck_assert(second.duplicate && pb_uuid_eq(first.id, second.id));
	req.idempotency_request_hash[0] = 1;
	ck_assert_int_eq(engine_accept(engine, &req, &arena, &second, &err), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "idempotency.conflict");
	ck_assert_uint_eq(upstream_requests(), 1);
}
END_TEST

START_TEST(accept__same_key_waits_for_the_first)
{
	struct engine_accept_request req =
		request(workflow("{'id':'a','type':'action','action':'odd.slow','with':{'ms':700}},"
				 "{'id':'b','type':'set','with':{'v':1}}",
				 ""));
	struct engine_accepted first, second;
	struct pb_err err = PB_ERR_INIT;

	req.idempotency_scope = PB_SLICE("hook:1");
	req.idempotency_key_hash[0] = 2;
	ck_assert_int_eq(engine_accept(engine, &req, &arena, &first, &err), PB_OK);
	req.wait_us = LONG_US;
	for (int i = 0; i < 2; i++) { /* while it runs, and after its end */
		ck_assert_int_eq(engine_accept(engine, &req, &arena, &second, &err), PB_OK);
		ck_assert(second.duplicate && second.ended);
		ck_assert(pb_uuid_eq(first.id, second.id));
		ck_assert(pb_slice_eq_str(second.result, "{\"v\":1}"));
	}
}
END_TEST

START_TEST(messages__many_for_one_execution_make_one_run)
{
	struct pb_uuid id = accepted(workflow(POST("a"), ""));

	for (int dispatch = 100; dispatch < 150; dispatch++)
		bus_publish_exec(bus, host->tenant, id, dispatch, NULL, NULL);
	(void)await(id, MODEL_EXECUTION_SUCCEEDED);
	for (int dispatch = 200; dispatch < 220; dispatch++)
		bus_publish_exec(bus, host->tenant, id, dispatch, NULL, NULL);
	(void)await(accepted(workflow(POST("b"), "")), MODEL_EXECUTION_SUCCEEDED);
	ck_assert_uint_eq(upstream_requests(), 2);
	ck_assert_int_eq(step(id, "a")->attempt, 1);
}
END_TEST

START_TEST(lease__of_a_dead_host_is_taken_over)
{
	struct store_accept a = {
		.tenant_id = host->tenant,
		.id = pb_uuid7(),
		.workflow_id = workflow(POST("a"), ""),
		.workflow_version = 1,
		.trigger = PB_SLICE("{}"),
		.lease_owner = pb_uuid7(), /* nobody */
		.lease_token = pb_uuid7(),
		.lease_us = SEC / 5,
	};
	struct sync_wait w;
	struct store_execution *x;

	ck_assert_int_eq(sync_accept(writer, &a, &w), PG_APPLIED);
	x = await(a.id, MODEL_EXECUTION_SUCCEEDED);
	ck_assert_int_ge(x->epoch, 2);
	ck_assert_int_eq(x->recoveries, 1);
	ck_assert_uint_eq(upstream_requests(), 1);
}
END_TEST

/* Far more runs than one round of renewals, each longer than its lease. */
START_TEST(lease__of_long_calls_is_renewed)
{
	struct pb_uuid wf =
		workflow("{'id':'a','type':'action','action':'odd.slow','with':{'ms':12000}}", "");
	struct pb_uuid ids[40];
	struct engine_stats stats;

	for (size_t i = 0; i < PB_ARRAY_LEN(ids); i++)
		ids[i] = accepted(wf);
	for (size_t i = 0; i < PB_ARRAY_LEN(ids); i++)
		ck_assert_int_eq(await(ids[i], MODEL_EXECUTION_SUCCEEDED)->epoch, 1);
	engine_stats(engine, &stats);
	ck_assert_uint_eq(stats.fenced, 0);
}
END_TEST

/* ---- waits, cancellation, decisions ---- */

START_TEST(retry__parks_in_the_database_and_wakes)
{
	struct pb_uuid id = accepted(workflow(
		"{'id':'a','type':'action','action':'odd.fail','with':{'status':5},'retry':"
		"{'max_attempts':2,'initial':'8s','max':'8s','jitter':false}}",
		""));
	struct store_execution *x = await(id, MODEL_EXECUTION_WAITING);
	struct engine_stats stats;

	ck_assert_int_eq(x->wait_reason, MODEL_WAIT_RETRY);
	ck_assert_int_eq(step(id, "a")->status, MODEL_STEP_RETRYING);
	x = await(id, MODEL_EXECUTION_FAILED);
	ck_assert_int_eq(step(id, "a")->attempt, 2);
	ck_assert_ptr_nonnull(memmem(x->error.p, x->error.len, "\"step\":\"a\"", 10));
	engine_stats(engine, &stats);
	ck_assert_uint_ge(stats.parked, 1);
}
END_TEST

START_TEST(cancel__ends_a_call_under_way)
{
	struct pb_uuid id = accepted(
		workflow("{'id':'a','type':'action','action':'odd.slow','with':{'ms':600000}},"
			 "{'id':'b','type':'set','with':{}}",
			 ""));
	struct pb_err err = PB_ERR_INIT;

	(void)await(id, MODEL_EXECUTION_RUNNING);
	ck_assert_int_eq(engine_cancel(engine, host->tenant, id, &err), PB_OK);
	if (engine_cancel(engine, host->tenant, id, &err) != PB_OK) /* twice is fine */
		ck_assert_str_eq(err.code, "execution.final");
	(void)await(id, MODEL_EXECUTION_CANCELLED);
	ck_assert_int_eq(step(id, "b")->status, MODEL_STEP_CANCELLED);
	ck_assert_int_eq(engine_cancel(engine, host->tenant, id, &err), PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "execution.final");
	ck_assert_int_eq(engine_cancel(engine, host->tenant, pb_uuid7(), &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(engine_cancel(engine, pb_uuid7(), id, &err), PB_E_NOT_FOUND);
}
END_TEST

#define CRASHING                                                                                   \
	"{'id':'a','type':'action','action':'odd.post_then_crash','with':{'url':'%s/ok'}},"        \
	"{'id':'b','type':'set','with':{'v':'{{ steps.a.answer }}'}}"

START_TEST(decision__a_person_says_what_happened)
{
	struct pb_uuid id = accepted(workflow(CRASHING, ""));
	struct store_execution *x = await(id, MODEL_EXECUTION_WAITING);
	struct pb_err err = PB_ERR_INIT;
	size_t sent = upstream_requests();

	ck_assert_int_eq(x->wait_reason, MODEL_WAIT_DECISION);
	ck_assert_int_eq(step(id, "a")->status, MODEL_STEP_OUTCOME_UNKNOWN);
	ck_assert_int_eq(engine_decide(engine, host->tenant, id, "nobody", ENGINE_DECISION_FAIL,
				       pb_slice(NULL, 0), &err),
			 PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "execution.step_unknown");
	ck_assert_int_eq(engine_decide(engine, host->tenant, id, "a",
				       ENGINE_DECISION_MARK_SUCCEEDED, PB_SLICE("{\"answer\":42}"),
				       &err),
			 PB_OK);
	x = await(id, MODEL_EXECUTION_SUCCEEDED);
	ck_assert(pb_slice_eq_str(step(id, "b")->output, "{\"v\":42}"));
	ck_assert_uint_eq(upstream_requests(), sent); /* never a second call */
	ck_assert_int_eq(engine_decide(engine, host->tenant, id, "a", ENGINE_DECISION_FAIL,
				       pb_slice(NULL, 0), &err),
			 PB_E_CONFLICT);
}
END_TEST

START_TEST(decision__without_an_output_is_null)
{
	struct pb_uuid id = accepted(workflow(
		"{'id':'a','type':'action','action':'odd.post_then_crash','with':{'url':'%s/ok'}},"
		"{'id':'b','type':'set','with':{'v':'{{ steps.a == null }}'}}",
		""));
	struct pb_err err = PB_ERR_INIT;

	(void)await(id, MODEL_EXECUTION_WAITING);
	ck_assert_int_eq(engine_decide(engine, host->tenant, id, "a",
				       ENGINE_DECISION_MARK_SUCCEEDED, pb_slice(NULL, 0), &err),
			 PB_OK);
	(void)await(id, MODEL_EXECUTION_SUCCEEDED);
	ck_assert(pb_slice_eq_str(step(id, "b")->output, "{\"v\":true}"));
}
END_TEST

/* It was there when the workflow was saved: an upgrade of the hosts is under way, say. */
START_TEST(connector__that_is_not_here_is_waited_for)
{
	struct pb_uuid id =
		accepted(workflow("{'id':'a','type':'action','action':'elsewhere.do'}", ""));

	(void)await(id, MODEL_EXECUTION_WAITING);
	ck_assert_int_eq(step(id, "a")->status, MODEL_STEP_WAITING);
	ck_assert_int_eq(step(id, "a")->attempt, 0);
}
END_TEST

/* Parked between two attempts while what its parameters mention comes into being: the same key, the same parameters. */
START_TEST(retry__sends_what_the_first_attempt_has_sent)
{
	struct pb_uuid id = accepted(workflow(
		"{'id':'a','type':'action','action':'odd.slow','with':{'ms':3000}},"
		"{'id':'b','type':'action','action':'odd.fail','with':{'status':5,'message':'is {{ "
		"steps.a "
		"== null }}'},'retry':{'max_attempts':2,'initial':'6s','max':'6s','jitter':false}}",
		",'edges':[['trigger','a'],['trigger','b']]"));

	(void)await(id, MODEL_EXECUTION_FAILED);
	ck_assert_int_eq(step(id, "a")->status, MODEL_STEP_SUCCEEDED);
	ck_assert_msg(step(id, "b")->attempt == 2, "%.300s", step(id, "b")->error.p);
	ck_assert(strstr(step(id, "b")->input.p, "is true") != NULL);
}
END_TEST

/* @idem "" = none */
static enum pb_status retry(struct pb_uuid id, const char *from, const char *idem,
			    struct engine_accepted *ret)
{
	struct engine_accept_request req = {.tenant = host->tenant,
					    .retry_from = pb_slice_str(*from ? from : NULL)};
	struct pb_err err = PB_ERR_INIT;

	if (*idem) {
		req.idempotency_scope = PB_SLICE("retry");
		memcpy(req.idempotency_key_hash, idem, strlen(idem));
	}
	return engine_retry(engine, id, &req, ret, &err);
}

/* Cancelled while nobody knew whether the call had arrived: repeating the execution is no decision. */
START_TEST(retry_of__does_not_call_what_is_unknown)
{
	struct pb_uuid id = accepted(workflow("{'id':'a','type':'action','action':"
					      "'odd.post_then_crash','with':{'url':'%s/ok'}}",
					      ""));
	struct engine_accepted again;
	struct pb_err err = PB_ERR_INIT;

	(void)await(id, MODEL_EXECUTION_WAITING);
	ck_assert_int_eq(engine_cancel(engine, host->tenant, id, &err), PB_OK);
	(void)await(id, MODEL_EXECUTION_CANCELLED);
	ck_assert_uint_eq(upstream_requests(), 1);
	ck_assert_int_eq(retry(id, "", "", &again), PB_OK);
	(void)await(again.id, MODEL_EXECUTION_WAITING);
	ck_assert_uint_eq(upstream_requests(), 1);
	ck_assert_int_eq(step(again.id, "a")->status, MODEL_STEP_OUTCOME_UNKNOWN);
	ck_assert_int_eq(engine_decide(engine, host->tenant, again.id, "a",
				       ENGINE_DECISION_MARK_SUCCEEDED, pb_slice(NULL, 0), &err),
			 PB_OK);
	(void)await(again.id, MODEL_EXECUTION_SUCCEEDED);
	ck_assert_uint_eq(upstream_requests(), 1);
}
END_TEST

START_TEST(retry_of__once_for_a_key)
{
	struct pb_uuid id = accepted(
		workflow("{'id':'b','type':'action','action':'odd.fail','with':{'status':6}}", ""));
	struct engine_accepted first, second, other;

	(void)await(id, MODEL_EXECUTION_FAILED);
	ck_assert_int_eq(retry(id, "", "k1", &first), PB_OK);
	ck_assert_int_eq(retry(id, "", "k1", &second), PB_OK);
	ck_assert_int_eq(retry(id, "", "k2", &other), PB_OK);
	ck_assert(!first.duplicate && second.duplicate && !other.duplicate);
	ck_assert(pb_uuid_eq(first.id, second.id) && !pb_uuid_eq(first.id, other.id));
	(void)await(first.id, MODEL_EXECUTION_FAILED);
	(void)await(other.id, MODEL_EXECUTION_FAILED);
}
END_TEST

START_TEST(retry_of__keeps_what_had_succeeded)
{
	struct pb_uuid id = accepted(workflow(POST("a") ",{'id':'b','type':'action','action':"
							"'odd.fail','with':{'status':6}}",
					      ""));
	struct engine_accepted again, whole;

	(void)await(id, MODEL_EXECUTION_FAILED);
	ck_assert_uint_eq(upstream_requests(), 1);
	ck_assert_int_eq(retry(id, "", "", &again), PB_OK);
	(void)await(again.id, MODEL_EXECUTION_FAILED);
	ck_assert_uint_eq(upstream_requests(), 1);
	ck_assert_int_eq(step(again.id, "a")->status, MODEL_STEP_SUCCEEDED);
	ck_assert(pb_slice_eq(step(again.id, "a")->output, step(id, "a")->output));
	/* from the first step: that call is wanted again */
	ck_assert_int_eq(retry(id, "a", "", &whole), PB_OK);
	(void)await(whole.id, MODEL_EXECUTION_FAILED);
	ck_assert_uint_eq(upstream_requests(), 2);
	ck_assert_int_eq(retry(pb_uuid7(), "", "", &again), PB_E_NOT_FOUND);
}
END_TEST

/* ---- accidents ---- */

/* As if every host that had taken it had died. */
START_TEST(poison__comes_to_an_end)
{
	struct pb_uuid wf = workflow(POST("a"), ""), id;

	ck_assert_int_eq(
		pg_db_psql(db.super_url, "ALTER TABLE execution ALTER strikes SET DEFAULT 15"), 0);
	(void)await(accepted(wf), MODEL_EXECUTION_SUCCEEDED);
	ck_assert_uint_eq(upstream_requests(), 1);
	ck_assert_int_eq(
		pg_db_psql(db.super_url, "ALTER TABLE execution ALTER strikes SET DEFAULT 16"), 0);
	id = accepted(wf);
	ck_assert_int_eq(
		pg_db_psql(db.super_url, "ALTER TABLE execution ALTER strikes SET DEFAULT 0"), 0);
	(void)await(id, MODEL_EXECUTION_FAILED);
	ck_assert_uint_eq(upstream_requests(), 1);
}
END_TEST

static void servers(const char *action)
{
	char program[] = PB_SOURCE_DIR "/scripts/servers", name[] = "postgres", what[16], dir[512];
	char *argv[] = {program, dir, what, name, NULL};
	int status = -1;
	pid_t pid;

	ck_assert(pb_str_copy(what, sizeof(what), action));
	ck_assert(pb_str_copy(dir, sizeof(dir), getenv("PB_TEST_SERVERS_DIR")));
	ck_assert_int_eq(posix_spawn(&pid, program, NULL, NULL, argv, environ), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(database__killed_and_back_loses_nothing)
{
	struct pb_uuid wf =
		workflow("{'id':'s','type':'action','action':'odd.slow','with':{'ms':300}},"
			 "{'id':'e','type':'action','action':'odd.echo','with':{'v':'{{ "
			 "trigger.body.n }}'}}",
			 "");
	struct pb_uuid ids[30];

	for (size_t i = 0; i < PB_ARRAY_LEN(ids); i++)
		ids[i] = accepted(wf);
	servers("kill");
	{ /* refused or unknown, in time, and no crash */
		struct engine_accept_request req = request(wf);
		struct engine_accepted ret;
		struct pb_err err = PB_ERR_INIT;

		req.commit_deadline_us = pb_mono_us() + SEC;
		ck_assert_int_eq(engine_accept(engine, &req, &arena, &ret, &err), PB_E_UNAVAILABLE);
		ck_assert_int_ne(engine_cancel(engine, host->tenant, ids[0], &err), PB_OK);
	}
	servers("start");
	for (size_t i = 0; i < PB_ARRAY_LEN(ids); i++) {
		(void)await(ids[i], MODEL_EXECUTION_SUCCEEDED);
		ck_assert(pb_slice_eq_str(step(ids[i], "e")->output, "{\"v\":7}"));
	}
}
END_TEST

/* What is in flight at the end is left to its lease, and another engine goes on. */
START_TEST(stop__in_the_middle_leaves_it_to_another)
{
	struct pb_uuid wf =
		workflow("{'id':'s','type':'action','action':'odd.slow','with':{'ms':5000}},"
			 "{'id':'e','type':'action','action':'odd.echo','with':{}}",
			 "");
	struct pb_uuid ids[20];

	for (size_t i = 0; i < PB_ARRAY_LEN(ids); i++)
		ids[i] = accepted(wf);
	(void)await(ids[PB_ARRAY_LEN(ids) - 1], MODEL_EXECUTION_RUNNING);
	struct pb_uuid tenant = host->tenant;

	engine_drain(engine, pb_mono_us() + SEC / 10);
	engine_stop(engine);
	host_stop(host); /* answers of its calls still come to the engine */
	pg_writer_free(writer);
	bus_close(bus);
	engine_free(engine);

	struct pb_err err = PB_ERR_INIT;
	char prefix[64];

	ck_assert(pb_str_printf(prefix, sizeof(prefix), "enginetest%s", db.name + 7));
	host = host_start(NULL);
	host->tenant = tenant;
	ck_assert_int_eq(
		pg_writer_new(&(struct pg_writer_config){.url = db.engine_url}, &writer, &err),
		PB_OK);
	ck_assert_int_eq(
		bus_open(&(struct bus_cfg){.url = getenv("PB_TEST_NATS_URL"), .prefix = prefix},
			 &bus, &err),
		PB_OK);
	open_engine();
	for (size_t i = 0; i < PB_ARRAY_LEN(ids); i++)
		(void)await(ids[i], MODEL_EXECUTION_SUCCEEDED);
}
END_TEST

static Suite *engine_suite(void)
{
	Suite *s = suite_create("engine");
	TCase *tc = tcase_create("engine"), *leases = tcase_create("leases");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(leases, 120);
	tcase_add_checked_fixture(leases, setup_short_leases, teardown);
	tcase_add_test(tc, accept__runs_to_its_end);
	tcase_add_test(tc, accept__waits_for_the_result);
	tcase_add_test(tc, accept__waiting_for_a_workflow_that_is_not_there_fails_with_a_reason);
	tcase_add_test(tc, accept__same_key_is_one_execution);
	tcase_add_test(tc, accept__same_key_waits_for_the_first);
	tcase_add_test(tc, messages__many_for_one_execution_make_one_run);
	tcase_add_test(tc, lease__of_a_dead_host_is_taken_over);
	tcase_add_test(tc, retry__parks_in_the_database_and_wakes);
	tcase_add_test(tc, cancel__ends_a_call_under_way);
	tcase_add_test(tc, decision__a_person_says_what_happened);
	tcase_add_test(tc, decision__without_an_output_is_null);
	tcase_add_test(tc, retry_of__keeps_what_had_succeeded);
	tcase_add_test(tc, retry_of__does_not_call_what_is_unknown);
	tcase_add_test(tc, retry_of__once_for_a_key);
	tcase_add_test(tc, connector__that_is_not_here_is_waited_for);
	tcase_add_test(tc, retry__sends_what_the_first_attempt_has_sent);
	tcase_add_test(tc, poison__comes_to_an_end);
	tcase_add_test(leases, lease__of_long_calls_is_renewed);
	tcase_add_test(leases, database__killed_and_back_loses_nothing);
	tcase_add_test(leases, stop__in_the_middle_leaves_it_to_another);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, leases);
	return s;
}

CHECK_MAIN(engine_suite)
