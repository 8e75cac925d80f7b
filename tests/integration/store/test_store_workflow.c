/* SPDX-License-Identifier: Apache-2.0 */
/* Workflows, versions, hooks, connector state and values on a real PostgreSQL. */
#include "store/store_workflow.h"
#include "base/clock.h"
#include "store/store_connector.h"
#include "store/store_tenant.h"
#include "support/pg_db.h"
#include "base/base.h"

static struct pg_db db;
static struct pg_pool *api, *engine, *admin;
static struct pb_arena arena;
static struct pb_uuid tenant, other;
static struct pb_err err;

static struct pg_pool *pool_of(const char *url)
{
	const struct pg_pool_config c = {.url = url, .max_connections = 4, PG_DB_PATIENT};
	struct pg_pool *p = NULL;

	ck_assert_int_eq(pg_pool_new(&c, &p, &err), PB_OK);
	return p;
}

static void setup(void)
{
	pg_db_open(&db);
	api = pool_of(db.api_url);
	engine = pool_of(db.engine_url);
	admin = pool_of(db.admin_url);
	pb_arena_init(&arena, 16u << 20);
	tenant = pb_uuid7();
	other = pb_uuid7();
	ck_assert_int_eq(store_tenant_create(admin, tenant, "aa", "A", &err), PB_OK);
	ck_assert_int_eq(store_tenant_create(admin, other, "bb", "B", &err), PB_OK);
}

static void teardown(void)
{
	pg_pool_free(api);
	pg_pool_free(engine);
	pg_pool_free(admin);
	pb_arena_done(&arena);
	pg_db_close(&db);
}

static struct store_workflow_save save_of(const char *name, const char *definition)
{
	return (struct store_workflow_save){.name = pb_slice_str(name),
					    .definition = pb_slice_str(definition),
					    .trigger_type = PB_SLICE("schedule"),
					    .publish = true};
}

static struct store_workflow *created(const char *name)
{
	struct store_workflow_save s = save_of(name, "{\"v\":1}");
	struct store_workflow *w = NULL;

	ck_assert_msg(store_workflow_create(api, tenant, pb_uuid7(), &s, true, &arena, &w, &err) ==
			      PB_OK,
		      "%s", err.msg);
	return w;
}

START_TEST(workflow__every_save_is_a_version)
{
	struct store_workflow_save s = save_of("two", "{\"v\":2, \"b\":\"\\u0000\"}");
	struct store_workflow *w = created("one"), *u = NULL;
	struct store_workflow_version *versions;
	struct pb_slice text;
	size_t n;

	ck_assert_int_eq(w->latest_version, 1);
	ck_assert_int_eq(w->published_version, 1);
	ck_assert(w->active);
	s.publish = false;
	ck_assert_int_eq(
		store_workflow_update(api, tenant, w->id, w->revision + 1, &s, &arena, &u, &err),
		PB_E_PRECONDITION);
	ck_assert_int_eq(store_workflow_update(api, other, w->id, 0, &s, &arena, &u, &err),
			 PB_E_NOT_FOUND);
	ck_assert_int_eq(
		store_workflow_update(api, tenant, w->id, w->revision, &s, &arena, &u, &err),
		PB_OK);
	ck_assert_int_eq(u->latest_version, 2);
	ck_assert_int_eq(u->published_version, 1);
	ck_assert_str_eq(u->name, "two");
	ck_assert(pb_slice_eq(u->definition, s.definition));
	ck_assert_int_eq(store_workflow_definition(engine, tenant, w->id, 1, &arena, &text, &err),
			 PB_OK);
	ck_assert(pb_slice_eq_str(text, "{\"v\":1}"));
	ck_assert_int_eq(store_workflow_publish(api, tenant, w->id, 0, 9, &arena, &u, &err),
			 PB_E_NOT_FOUND);
	ck_assert_str_eq(err.code, "workflow.version_not_found");
	ck_assert_int_eq(
		store_workflow_publish(api, tenant, w->id, u->revision, 2, &arena, &u, &err),
		PB_OK);
	ck_assert_int_eq(u->published_version, 2);
	ck_assert_int_eq(
		store_workflow_versions(api, tenant, w->id, 0, 10, &arena, &versions, &n, &err),
		PB_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert(versions[0].version == 2 && versions[0].published && !versions[1].published);
	/* gone for people, there for what still runs on it */
	ck_assert_int_eq(store_workflow_delete(api, tenant, w->id, u->revision, &err), PB_OK);
	ck_assert_int_eq(store_workflow_get(api, tenant, w->id, &arena, &u, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_workflow_delete(api, tenant, w->id, 0, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_workflow_definition(engine, tenant, w->id, 2, &arena, &text, &err),
			 PB_OK);
}
END_TEST

START_TEST(workflow__refuses_bad_names)
{
	static const char *const bad[] = {"", "\xff", NULL};
	struct store_workflow *w;
	struct store_workflow_save s = save_of("x", "{}");
	char longer[STORE_NAME_BYTES + 2];

	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	for (int i = 0; bad[i]; i++) {
		s.name = pb_slice_str(bad[i]);
		ck_assert_int_eq(
			store_workflow_create(api, tenant, pb_uuid7(), &s, true, &arena, &w, &err),
			PB_E_INVALID);
	}
	s.name = pb_slice_str(longer);
	ck_assert_int_eq(store_workflow_create(api, tenant, pb_uuid7(), &s, true, &arena, &w, &err),
			 PB_E_INVALID);
	s = save_of("x", "{}");
	s.publish = false;
	ck_assert_int_eq(store_workflow_create(api, tenant, pb_uuid7(), &s, true, &arena, &w, &err),
			 PB_OK);
	ck_assert(!w->active);
	ck_assert_int_eq(store_workflow_create(api, tenant, w->id, &s, true, &arena, &w, &err),
			 PB_E_CONFLICT);
	ck_assert_int_eq(store_workflow_set_active(api, tenant, w->id, 0, true, &arena, &w, &err),
			 PB_E_UNPROCESSABLE);
}
END_TEST

START_TEST(workflow__lists_pages)
{
	struct store_workflow_filter f = {.active = -1, .limit = 4};
	struct store_active_workflow *act;
	struct store_workflow *list, *w;
	size_t n, seen = 0;
	bool more = true;
	int64_t all, active;

	for (int i = 0; i < 10; i++) {
		w = created(i % 2 ? "100% odd_" : "even");
		if (i >= 8)
			ck_assert_int_eq(store_workflow_set_active(api, tenant, w->id, 0, false,
								   &arena, &w, &err),
					 PB_OK);
	}
	while (more) {
		ck_assert_int_eq(
			store_workflow_list(api, tenant, &f, &arena, &list, &n, &more, &err),
			PB_OK);
		seen += n;
		f.before = list[n - 1].id;
	}
	ck_assert_uint_eq(seen, 10);
	f = (struct store_workflow_filter){.active = 1, .limit = 100, .query = PB_SLICE("% ODD_")};
	ck_assert_int_eq(store_workflow_list(api, tenant, &f, &arena, &list, &n, &more, &err),
			 PB_OK);
	ck_assert_uint_eq(n, 4);
	ck_assert_int_eq(store_workflow_list(api, other, &f, &arena, &list, &n, &more, &err),
			 PB_OK);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(store_workflow_count(api, tenant, &all, &active, &err), PB_OK);
	ck_assert_int_eq(all, 10);
	ck_assert_int_eq(active, 8);
	ck_assert_int_eq(
		store_workflow_active(engine, "schedule", PB_UUID_NIL, 5, &arena, &act, &n, &err),
		PB_OK);
	ck_assert_uint_eq(n, 5);
	ck_assert_int_eq(
		store_workflow_active(engine, "schedule", act[4].id, 5, &arena, &act, &n, &err),
		PB_OK);
	ck_assert_uint_eq(n, 3);
	/* a save under way never counts: the engine may not write here at all */
	ck_assert_int_eq(
		store_workflow_set_active(engine, tenant, w->id, 0, true, &arena, &w, &err),
		PB_E_FORBIDDEN);
}
END_TEST

static struct store_hook last_hook;
static int n_hooks;

static void hook_seen(void *arg, const struct store_hook *h)
{
	(void)arg;
	last_hook = *h;
	n_hooks++;
}

START_TEST(hook__follows_its_workflow)
{
	struct store_hook_token token = {.sealed = PB_SLICE("sealed")},
				second = {.sealed = PB_SLICE("2")};
	struct store_workflow_save s = save_of("hooked", "{}");
	struct store_workflow *w;
	struct store_hook h;
	struct pb_slice sealed;
	int64_t seen = 0;

	memset(token.hash, 1, sizeof(token.hash));
	memset(second.hash, 2, sizeof(second.hash));
	s.hook = &token;
	ck_assert_int_eq(store_workflow_create(api, tenant, pb_uuid7(), &s, true, &arena, &w, &err),
			 PB_OK);
	ck_assert_int_eq(store_hook_snapshot(engine, hook_seen, NULL, &seen, &err), PB_OK);
	ck_assert_int_eq(n_hooks, 1);
	ck_assert(last_hook.active && last_hook.version == 1);
	ck_assert(pb_uuid_eq(last_hook.tenant_id, tenant) &&
		  pb_uuid_eq(last_hook.workflow_id, w->id));
	ck_assert_int_eq(store_hook_find(api, token.hash, &h, &err), PB_OK);
	ck_assert(pb_uuid_eq(h.workflow_id, w->id));
	ck_assert_int_eq(store_hook_find(api, second.hash, &h, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_hook_sealed(api, tenant, w->id, &arena, &sealed, &err), PB_OK);
	ck_assert(pb_slice_eq_str(sealed, "sealed"));
	ck_assert_int_eq(store_hook_sealed(api, other, w->id, &arena, &sealed, &err),
			 PB_E_NOT_FOUND);
	ck_assert_int_eq(store_hook_sealed(engine, tenant, w->id, &arena, &sealed, &err),
			 PB_E_FORBIDDEN);
	/* the same token cannot be taken twice, by whomever */
	s.name = PB_SLICE("thief");
	ck_assert_int_eq(store_workflow_create(api, other, pb_uuid7(), &s, true, &arena, &w, &err),
			 PB_E_CONFLICT);
	ck_assert_str_eq(err.code, "hook.exists");

	ck_assert_int_eq(
		store_workflow_set_active(api, tenant, h.workflow_id, 0, false, &arena, &w, &err),
		PB_OK);
	n_hooks = 0;
	ck_assert_int_eq(store_hook_changes(engine, seen, hook_seen, NULL, &seen, &err), PB_OK);
	ck_assert_int_eq(n_hooks, 1);
	ck_assert(!last_hook.active);
	/* a new token replaces the old one, which is seen to go */
	s = save_of("hooked", "{}");
	s.hook = &second;
	ck_assert_int_eq(store_workflow_update(api, tenant, w->id, 0, &s, &arena, &w, &err), PB_OK);
	ck_assert_int_eq(store_workflow_set_active(api, tenant, w->id, 0, true, &arena, &w, &err),
			 PB_OK);
	ck_assert_int_eq(store_hook_find(api, token.hash, &h, &err), PB_E_NOT_FOUND);
	ck_assert_int_eq(store_hook_find(api, second.hash, &h, &err), PB_OK);
	ck_assert(h.active && h.version == 2);
	n_hooks = 0;
	ck_assert_int_eq(store_hook_changes(engine, seen, hook_seen, NULL, &seen, &err), PB_OK);
	ck_assert_int_eq(n_hooks, 2);
	ck_assert_int_eq(store_workflow_delete(api, tenant, w->id, 0, &err), PB_OK);
	n_hooks = 0;
	ck_assert_int_eq(store_hook_snapshot(engine, hook_seen, NULL, &seen, &err), PB_OK);
	ck_assert_int_eq(n_hooks, 0);
}
END_TEST

START_TEST(hook__rests_while_its_tenant_is_not_active)
{
	struct store_hook_token token = {.sealed = PB_SLICE("sealed")};
	struct store_workflow_save s = save_of("hooked", "{}");
	struct store_workflow *w;
	struct store_hook h;
	int64_t seen = 0;

	s.hook = &token;
	ck_assert_int_eq(store_workflow_create(api, tenant, pb_uuid7(), &s, true, &arena, &w, &err),
			 PB_OK);
	ck_assert_int_eq(store_tenant_set_status(admin, tenant, STORE_TENANT_SUSPENDED, &err),
			 PB_OK);
	ck_assert_int_eq(store_hook_find(api, token.hash, &h, &err), PB_E_NOT_FOUND);
	n_hooks = 0;
	ck_assert_int_eq(store_hook_snapshot(engine, hook_seen, NULL, &seen, &err), PB_OK);
	ck_assert_int_eq(n_hooks, 0);
	/* long ago for the overlap of store_hook_changes(): only the tenant's change can show it */
	ck_assert_int_eq(pg_db_psql(db.super_url, "UPDATE hook SET changed_at = '2020-01-01'"), 0);
	ck_assert_int_eq(store_tenant_set_status(admin, tenant, STORE_TENANT_ACTIVE, &err), PB_OK);
	ck_assert_int_eq(store_tenant_set_status(admin, tenant, STORE_TENANT_SUSPENDED, &err),
			 PB_OK);
	ck_assert_int_eq(store_hook_changes(engine, seen, hook_seen, NULL, &seen, &err), PB_OK);
	ck_assert_int_eq(n_hooks, 1);
	ck_assert(!last_hook.active && last_hook.version == 1);
	ck_assert_int_eq(store_tenant_set_status(admin, tenant, STORE_TENANT_ACTIVE, &err), PB_OK);
	ck_assert_int_eq(store_hook_find(api, token.hash, &h, &err), PB_OK);
	ck_assert_int_eq(store_hook_changes(engine, seen, hook_seen, NULL, &seen, &err), PB_OK);
	ck_assert(n_hooks == 2 && last_hook.active);
}
END_TEST

START_TEST(kv__compare_and_set)
{
	struct pb_slice v;
	int64_t r1, r2, r3;

	ck_assert_int_eq(store_kv_get(engine, tenant, "poll:x", "k", &arena, &v, &r1, &err),
			 PB_E_NOT_FOUND);
	ck_assert_int_eq(
		store_kv_set(engine, tenant, "poll:x", "k", PB_SLICE("1"), 0, 0, &r1, &err), PB_OK);
	ck_assert_int_eq(
		store_kv_set(engine, tenant, "poll:x", "k", PB_SLICE("2"), 0, 0, &r2, &err),
		PB_E_PRECONDITION);
	ck_assert_int_eq(
		store_kv_set(engine, tenant, "poll:x", "k", PB_SLICE("2"), r1, 0, &r2, &err),
		PB_OK);
	ck_assert_int_ne(r1, r2);
	ck_assert_int_eq(
		store_kv_set(engine, tenant, "poll:x", "k", PB_SLICE("3"), r1, 0, &r3, &err),
		PB_E_PRECONDITION);
	ck_assert_int_eq(store_kv_delete(engine, tenant, "poll:x", "k", r1, &err),
			 PB_E_PRECONDITION);
	ck_assert_int_eq(store_kv_get(api, tenant, "poll:x", "k", &arena, &v, &r3, &err), PB_OK);
	ck_assert(pb_slice_eq_str(v, "2") && r3 == r2);
	ck_assert_int_eq(store_kv_get(api, other, "poll:x", "k", &arena, &v, &r3, &err),
			 PB_E_NOT_FOUND);
	/* deleted and made again is another value: an old revision does not fit it */
	ck_assert_int_eq(store_kv_delete(engine, tenant, "poll:x", "k", r2, &err), PB_OK);
	ck_assert_int_eq(store_kv_delete(engine, tenant, "poll:x", "k", -1, &err), PB_OK);
	ck_assert_int_eq(
		store_kv_set(engine, tenant, "poll:x", "k", PB_SLICE("4"), 0, 0, &r3, &err), PB_OK);
	ck_assert_int_ne(r3, r1);
	/* expired is absent */
	ck_assert_int_eq(store_kv_set(engine, tenant, "poll:x", "k", PB_SLICE("5"), -1,
				      pb_now_us() - 1000000, &r3, &err),
			 PB_OK);
	ck_assert_int_eq(store_kv_get(engine, tenant, "poll:x", "k", &arena, &v, &r3, &err),
			 PB_E_NOT_FOUND);
	ck_assert_int_eq(
		store_kv_set(engine, tenant, "poll:x", "k", PB_SLICE("6"), 0, 0, &r3, &err), PB_OK);
	ck_assert_int_eq(store_kv_set(engine, tenant, "poll:x", "", PB_SLICE("6"), 0, 0, &r3, &err),
			 PB_E_INVALID);
}
END_TEST

START_TEST(connector__state_and_quarantine)
{
	struct store_connector_state s = {
		.connector = "slack", .version = "1.0.0", .status = STORE_CONNECTOR_ENABLED};
	struct store_quarantine q = {.connector = "slack",
				     .version = "1.0.0",
				     .operation = "post",
				     .reason = "crashed 3 times",
				     .until = PG_TIME_INFINITY};
	struct store_connector_state *states;
	struct store_quarantine *list;
	int64_t rev = 0;
	size_t n;

	ck_assert_int_eq(store_connector_set(admin, &s, 0, &rev, &err), PB_OK);
	ck_assert_int_eq(store_connector_set(admin, &s, 0, &rev, &err), PB_E_PRECONDITION);
	s.version = "1.1.0";
	s.previous_version = "1.0.0";
	s.granted = PB_SLICE("{}");
	ck_assert_int_eq(store_connector_set(admin, &s, rev, &rev, &err), PB_OK);
	ck_assert_int_eq(store_connector_set(admin, &s, 1, &rev, &err), PB_E_PRECONDITION);
	ck_assert_int_eq(store_connector_states(api, &arena, &states, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(states[0].previous_version, "1.0.0");
	ck_assert_int_eq(store_connector_set(api, &s, rev, &rev, &err), PB_E_FORBIDDEN);

	ck_assert_int_eq(store_quarantine_set(engine, &q, &err), PB_OK);
	q.tenant_id = tenant;
	ck_assert_int_eq(store_quarantine_set(engine, &q, &err), PB_OK);
	ck_assert_int_eq(store_quarantine_set(engine, &q, &err), PB_OK);
	ck_assert_int_eq(store_quarantine_list(admin, &arena, &list, &n, &err), PB_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert(list[0].until == PG_TIME_INFINITY);
	ck_assert_int_eq(store_quarantine_lift(admin, tenant, "slack", "1.0.0", "post", &err),
			 PB_OK);
	ck_assert_int_eq(store_quarantine_lift(admin, tenant, "slack", "1.0.0", "post", &err),
			 PB_E_NOT_FOUND);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_workflow");
	TCase *tc = tcase_create("workflow");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, workflow__every_save_is_a_version);
	tcase_add_test(tc, workflow__refuses_bad_names);
	tcase_add_test(tc, workflow__lists_pages);
	tcase_add_test(tc, hook__follows_its_workflow);
	tcase_add_test(tc, hook__rests_while_its_tenant_is_not_active);
	tcase_add_test(tc, kv__compare_and_set);
	tcase_add_test(tc, connector__state_and_quarantine);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
