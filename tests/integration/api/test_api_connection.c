/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections, API keys and idempotent creation over a real server on a real database: secrets never come out, kept
 * answers hold none, another tenant's ids are not there.
 */
#include "unit/api/api_fixture.h"

#include "api/api_resolve.h"
#include "auth/auth.h"
#include "bus/bus.h"
#include "connector/connector.h"
#include "egress/egress.h"
#include "pg/pg_pool.h"
#include "store/store_tenant.h"
#include "support/check_main.h"
#include "support/pg_db.h"
#include "vault/vault.h"
#include "base/base.h"

static const char manifest[] =
	"{\"patchbay\":1,\"id\":\"tickets\",\"version\":\"1.0.0\",\"name\":\"Tickets\",\"summary\":"
	"\"T\","
	"\"hosts\":[\"tickets.example\"],\"base_url\":\"https://tickets.example\",\"credentials\":["
	"{\"id\":\"key\",\"type\":\"fields\",\"fields\":{\"type\":\"object\",\"required\":["
	"\"token\"],"
	"\"additionalProperties\":false,\"properties\":{\"region\":{\"type\":\"string\"},"
	"\"token\":{\"type\":\"string\",\"minLength\":4,\"x-secret\":true}}},"
	"\"inject\":{\"header\":\"X-Key\",\"value\":\"${cred.token}\"}},"
	"{\"id\":\"none\",\"type\":\"none\"}],\"actions\":[{\"id\":\"get\",\"version\":1,\"title\":"
	"\"Get\","
	"\"params\":{\"type\":\"object\"},\"idempotency\":{\"mode\":\"natural\"},"
	"\"request\":{\"method\":\"GET\",\"path\":\"/\"}}]}";

#define SECRET "s3cr3t-value"
#define NEW                                                                                        \
	"{\"name\":\"one\",\"connector\":\"tickets\",\"credential\":\"key\","                      \
	"\"values\":{\"region\":\"eu\",\"token\":\"" SECRET "\"}}"
#define NAMED(n)                                                                                   \
	"{\"name\":\"" n "\",\"connector\":\"tickets\",\"credential\":\"key\","                    \
	"\"values\":{\"token\":\"" SECRET "\"}}"

static struct pg_db db;
static struct pg_pool *pool, *admin;
static struct crypto_secret *subkey;
static struct egress *egress;

static void open_connectors(struct pb_err *err)
{
	struct connectors_cfg cfg = {.workers = 1};

	ck_assert_msg(egress_new(&(struct egress_cfg){0}, &egress, err) == PB_OK, "%s", err->msg);
	cfg.egress = egress;
	ck_assert_msg(connectors_new(&cfg, &fx_api.cfg.connectors, NULL, err) == PB_OK, "%s",
		      err->msg);
	ck_assert_msg(connector_registry_add(connectors_registry(fx_api.cfg.connectors), manifest,
					     strlen(manifest), -1, NULL, err) == PB_OK,
		      "%s", err->msg);
}

static void add_routes(struct http_router *router)
{
	api_connection_routes(router, &fx_api);
	api_key_routes(router, &fx_api);
}

static void setup(void)
{
	pb_autoptr(crypto_secret) keys = NULL;
	struct pg_pool_config config = {.max_connections = 4, PG_DB_PATIENT};
	struct vault_keyring *ring = NULL;
	struct pb_err err = PB_ERR_INIT;
	struct bus_cfg bus = {.url = getenv("PB_TEST_NATS_URL"), .prefix = "apitest"};

	crypto_init();
	keys = vault_keyring_generate("kek_1");
	pg_db_open(&db);
	config.url = db.api_url;
	ck_assert_int_eq(pg_pool_new(&config, &pool, &err), PB_OK);
	config.url = db.admin_url;
	ck_assert_int_eq(pg_pool_new(&config, &admin, &err), PB_OK);
	subkey = crypto_secret_random(32);
	ck_assert_msg(vault_keyring_parse((const char *)crypto_secret_bytes(keys),
					  crypto_secret_len(keys), &ring, &err) == PB_OK,
		      "%s", err.msg);
	ck_assert_msg(vault_new(pool, ring, &fx_api.cfg.vault, &err) == PB_OK, "%s", err.msg);
	ck_assert_int_eq(bus_open(&bus, &fx_api.cfg.bus, &err), PB_OK);
	open_connectors(&err);
	fx_api.cfg.api_pool = pool;
	fx_api.cfg.admin_pool = admin;
	fx_api.cfg.cursor_subkey = subkey;
	fx_api.cfg.auth = auth_new(pool, subkey);
	fx_api.offload = api_offload_new(1);
	fx_add = add_routes;
	fx_start(NULL, 0);
	ck_assert_int_eq(store_tenant_create(admin, fx_actor.tenant, "aa", "A", &err), PB_OK);
	fx_actor.permissions = tenant_role_permissions(TENANT_OWNER);
	fx_actor.id = pb_uuid7();
}

static void teardown(void)
{
	fx_stop();
	api_offload_free(fx_api.offload);
	auth_free(fx_api.cfg.auth);
	connectors_free(fx_api.cfg.connectors);
	egress_free(egress);
	bus_close(fx_api.cfg.bus);
	vault_free(fx_api.cfg.vault);
	crypto_secret_free(subkey);
	pg_pool_free(pool);
	pg_pool_free(admin);
	pg_db_close(&db);
}

static const char *text_at(const struct pb_json *j, const char *pointer)
{
	const char *s = pb_json_str(pb_json_pointer(j, pointer, strlen(pointer)));

	return s ? s : "";
}

static void assert_hidden(const struct pb_json *j)
{
	pb_auto_buf b = PB_BUF_INIT;

	ck_assert(pb_json_write(&b, j));
	ck_assert_msg(!strstr(pb_buf_str(&b), SECRET), "%s", b.p);
}

static const char *path_of(const struct pb_json *made)
{
	const char *p =
		pb_arena_printf(&fx_arena, "/api/v1/connections/%s", text_at(made, "/data/id"));

	ck_assert_ptr_nonnull(p);
	return p;
}

static void assert_opens_with(const char *name, bool ok)
{
	struct api_resolve *r = api_resolve_new(&(struct api_resolve_cfg){pool, fx_api.cfg.vault});
	struct connector_connection *c = NULL, *again = NULL;
	struct pb_err err = PB_ERR_INIT;

	if (ok) {
		ck_assert_msg(api_resolve_connection(r, fx_actor.tenant, name, &c, &err) == PB_OK,
			      "%s", err.msg);
		ck_assert_str_eq(connector_connection_auth_type(c), "key");
		ck_assert_int_eq(api_resolve_connection(r, fx_actor.tenant, name, &again, &err),
				 PB_OK);
		ck_assert_ptr_eq(c, again); /* from memory */
		connector_connection_unref(again);
		api_resolve_forget(r, connector_connection_id(c));
		ck_assert_int_eq(api_resolve_connection(r, fx_actor.tenant, name, &again, &err),
				 PB_OK);
		ck_assert_ptr_ne(c, again);
		ck_assert_int_eq(api_resolve_check(r, fx_actor.tenant, name, "tickets", &err),
				 PB_OK);
		ck_assert_int_eq(api_resolve_check(r, fx_actor.tenant, name, "slack", &err),
				 PB_E_UNPROCESSABLE);
	}
	ck_assert_int_eq(api_resolve_connection(r, pb_uuid7(), name, &again, &err), PB_E_NOT_FOUND);
	connector_connection_unref(c);
	if (ok)
		connector_connection_unref(again);
	api_resolve_free(r);
}

/* Without waiting for the bus: what is kept of it goes with the answer. */
START_TEST(connection__changes_are_obeyed_here_at_once)
{
	struct api_resolve *r = api_resolve_new(&(struct api_resolve_cfg){pool, fx_api.cfg.vault});
	struct connector_connection *kept = NULL, *now = NULL;
	struct pb_err err = PB_ERR_INIT;
	const struct pb_json *j;
	const char *path;

	fx_api.cfg.resolve = r;
	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", FX_JSON, NEW, &j), 201);
	path = path_of(j);
	ck_assert_int_eq(api_resolve_connection(r, fx_actor.tenant, "one", &kept, &err), PB_OK);
	ck_assert_int_eq(fx_ask("PUT", path, FX_JSON, "{\"values\":{\"token\":\"another\"}}", &j),
			 200);
	ck_assert_int_eq(api_resolve_connection(r, fx_actor.tenant, "one", &now, &err), PB_OK);
	ck_assert_ptr_ne(kept, now);
	connector_connection_unref(kept);
	connector_connection_unref(now);
	ck_assert_int_eq(fx_ask("DELETE", path, "", "", &j), 204);
	ck_assert_int_eq(api_resolve_connection(r, fx_actor.tenant, "one", &now, &err),
			 PB_E_NOT_FOUND);
	fx_api.cfg.resolve = NULL;
	api_resolve_free(r);
}
END_TEST

START_TEST(connection__lives_without_showing_its_secret)
{
	const struct pb_json *made, *a;
	const char *path;

	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", FX_JSON, NEW, &made), 201);
	assert_hidden(made);
	ck_assert_str_eq(text_at(made, "/data/secrets/0"), "token");
	ck_assert_str_eq(text_at(made, "/data/fields/region"), "eu");
	path = path_of(made);
	assert_opens_with("one", true);
	assert_opens_with(text_at(made, "/data/id"), true);
	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", FX_JSON, NEW, &a), 409);
	ck_assert_str_eq(fx_code(a), "connection.name_taken");

	/* the secret stays when it is not named, and goes with null: then the schema misses it */
	ck_assert_int_eq(fx_ask("PUT", path, FX_JSON "If-Match: \"1\"\r\n",
				"{\"name\":\"two\",\"values\":{\"region\":null}}", &a),
			 200);
	ck_assert_str_eq(text_at(a, "/data/secrets/0"), "token");
	assert_hidden(a);
	ck_assert_int_eq(fx_ask("PUT", path, FX_JSON "If-Match: \"1\"\r\n", "{\"name\":\"x\"}", &a),
			 412);
	ck_assert_int_eq(fx_ask("PUT", path, FX_JSON, "{\"values\":{\"token\":null}}", &a), 422);
	ck_assert_str_eq(fx_code(a), "connection.value_invalid");
	ck_assert_int_eq(fx_ask("PUT", path, FX_JSON, "{\"values\":{\"token\":\"newer\"}}", &a),
			 200);
	assert_opens_with("two", true);
	ck_assert_int_eq(fx_ask("GET", path, "", "", &a), 200);
	ck_assert_str_eq(text_at(a, "/data/name"), "two");

	fx_actor.tenant = pb_uuid7();
	ck_assert_int_eq(fx_ask("GET", path, "", "", &a), 404);
	ck_assert_str_eq(fx_code(a), "connection.not_found");
	ck_assert_int_eq(fx_ask("DELETE", path, "", "", &a), 404);
}
END_TEST

static const struct {
	const char *body;
	int status;
	const char *code, *field;
} wrong[] = {
	{"{\"name\":\"a\",\"connector\":\"nope\",\"credential\":\"key\"}", 422,
	 "connection.connector_unknown", "/connector"},
	{"{\"name\":\"a\",\"connector\":\"tickets\",\"credential\":\"nope\"}", 422,
	 "connection.credential_unknown", "/credential"},
	{"{\"name\":\"a\",\"connector\":\"tickets\",\"credential\":\"key\"}", 422,
	 "connection.value_invalid", "/values/token"},
	{"{\"name\":\"a\",\"connector\":\"tickets\",\"credential\":\"key\",\"values\":{\"token\":"
	 "\"x\"}}",
	 422, "connection.value_invalid", "/values/token"},
	{"{\"name\":\"a\",\"connector\":\"tickets\",\"credential\":\"key\",\"values\":{\"z\":1}}",
	 400, "request.field_unknown", "/values/z"},
	{"{\"name\":\"a\",\"connector\":\"tickets\",\"credential\":\"none\",\"values\":{\"z\":1}}",
	 400, "request.field_unknown", "/values/z"},
	{"{\"name\":\"a\",\"connector\":\"tickets\",\"credential\":\"none\",\"tenant_id\":\"z\"}",
	 400, "request.field_unknown", "/tenant_id"},
};

START_TEST(connection_create__says_what_is_wrong)
{
	const struct pb_json *a;

	for (size_t i = 0; i < PB_ARRAY_LEN(wrong); i++) {
		ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", FX_JSON, wrong[i].body, &a),
				 wrong[i].status);
		ck_assert_str_eq(fx_code(a), wrong[i].code);
		ck_assert_str_eq(fx_field(a), wrong[i].field);
	}
}
END_TEST

START_TEST(create__is_done_once_for_a_key)
{
	const char *key = FX_JSON "Idempotency-Key: k1\r\n";
	const struct pb_json *first, *again, *other;

	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", key, NAMED("i"), &first), 201);
	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", key, NAMED("i"), &again), 201);
	ck_assert_str_eq(text_at(first, "/data/id"), text_at(again, "/data/id"));
	assert_hidden(again);
	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", key, NAMED("j"), &other), 409);
	ck_assert_str_eq(fx_code(other), "idempotency.conflict");
	/* a failure gives the key back */
	key = FX_JSON "Idempotency-Key: k2\r\n";
	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", key, NAMED("i"), &other), 409);
	ck_assert_str_eq(fx_code(other), "connection.name_taken");
	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", key, NAMED("i"), &other), 409);
	ck_assert_str_eq(fx_code(other), "connection.name_taken");
	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", FX_JSON "Idempotency-Key: a b\r\n",
				NAMED("k"), &other),
			 400);
}
END_TEST

START_TEST(api_key__is_shown_once)
{
	const char *key = FX_JSON "Idempotency-Key: k3\r\n";
	const char *body = "{\"name\":\"ci\",\"role\":\"editor\",\"scopes\":[\"workflow.read\"]}";
	const struct pb_json *first, *again, *list;
	const char *path;

	ck_assert_int_eq(fx_ask("POST", "/api/v1/api-keys", key, body, &first), 201);
	ck_assert(pb_str_starts(text_at(first, "/data/key"), "pb_key_"));
	ck_assert_str_eq(text_at(first, "/data/scopes/0"), "workflow.read");
	ck_assert_int_eq(fx_ask("POST", "/api/v1/api-keys", key, body, &again), 201);
	ck_assert_str_eq(text_at(again, "/data/id"), text_at(first, "/data/id"));
	ck_assert(pb_json_is(pb_json_pointer(again, "/data/key", 9), PB_JSON_NULL));
	ck_assert_int_eq(fx_ask("GET", "/api/v1/api-keys?limit=1", "", "", &list), 200);
	ck_assert_str_eq(text_at(list, "/data/0/id"), text_at(first, "/data/id"));
	ck_assert_ptr_null(pb_json_pointer(list, "/data/0/key", 11));
	path = pb_arena_printf(&fx_arena, "/api/v1/api-keys/%s", text_at(first, "/data/id"));
	ck_assert_int_eq(fx_ask("DELETE", path, "", "", &again), 204);
	ck_assert_int_eq(fx_ask("POST", "/api/v1/api-keys", FX_JSON,
				"{\"name\":\"x\",\"role\":\"super_admin\"}", &again),
			 403);
	ck_assert_str_eq(fx_code(again), "auth.escalation");
}
END_TEST

START_TEST(connection_list__pages)
{
	const struct pb_json *a;
	const char *next;

	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", FX_JSON, NAMED("p1"), &a), 201);
	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", FX_JSON, NAMED("p2"), &a), 201);
	ck_assert_int_eq(fx_ask("GET", "/api/v1/connections?limit=1", "", "", &a), 200);
	ck_assert_str_eq(text_at(a, "/data/0/name"), "p2");
	next = pb_arena_printf(&fx_arena, "/api/v1/connections?limit=1&cursor=%s",
			       text_at(a, "/meta/page/next"));
	ck_assert_int_eq(fx_ask("GET", next, "", "", &a), 200);
	ck_assert_str_eq(text_at(a, "/data/0/name"), "p1");
	ck_assert_int_eq(fx_ask("GET", "/api/v1/connections?connector=slack", "", "", &a), 200);
	ck_assert_int_eq(pb_json_pointer(a, "/data", 5)->len, 0);
}
END_TEST

START_TEST(connection_test__only_where_there_is_one)
{
	const struct pb_json *made, *a;
	const char *path;

	ck_assert_int_eq(fx_ask("POST", "/api/v1/connections", FX_JSON, NAMED("t"), &made), 201);
	path = pb_arena_printf(&fx_arena, "%s/test", path_of(made));
	ck_assert_int_eq(fx_ask("POST", path, "", "", &a), 422);
	ck_assert_str_eq(fx_code(a), "connection.no_test");
	ck_assert_int_eq(fx_ask("POST", path, FX_JSON, "{\"values\":{}}", &a), 400);
	ck_assert_str_eq(fx_code(a), "request.field_unknown");
	/* it says nothing about the credential */
	ck_assert_int_eq(fx_ask("GET", path_of(made), "", "", &a), 200);
	ck_assert_str_eq(text_at(a, "/data/status"), "untested");
	fx_actor.tenant = pb_uuid7();
	ck_assert_int_eq(fx_ask("POST", path, "", "", &a), 404);
	ck_assert_str_eq(fx_code(a), "connection.not_found");
}
END_TEST

static Suite *connection_suite(void)
{
	Suite *s = suite_create("api_connection");
	TCase *tc = tcase_create("connection");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, connection__changes_are_obeyed_here_at_once);
	tcase_add_test(tc, connection__lives_without_showing_its_secret);
	tcase_add_test(tc, connection_create__says_what_is_wrong);
	tcase_add_test(tc, create__is_done_once_for_a_key);
	tcase_add_test(tc, api_key__is_shown_once);
	tcase_add_test(tc, connection_list__pages);
	tcase_add_test(tc, connection_test__only_where_there_is_one);
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(connection_suite)
