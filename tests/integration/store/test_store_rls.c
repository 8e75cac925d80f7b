/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row-level security of every tenant table, found in the catalogue: a new table is attacked without anybody
 * adding it here. Each table gets a row of tenant A (constraints are dropped first, it is our own database),
 * then patchbay_api tries it as nobody, as B and as A.
 */
#include "support/pg_db.h"
#include "base/base.h"

static struct pg_db db;

static void setup(void)
{
	pg_db_open(&db);
}

static void teardown(void)
{
	pg_db_close(&db);
}

static const char prepare_sql[] =
	"DO $$ DECLARE c record; t record; cols text; vals text; BEGIN\n"
	" FOR c IN SELECT conrelid::regclass AS tbl, conname FROM pg_constraint x JOIN pg_class r "
	"ON r.oid = conrelid\n"
	"  WHERE contype IN ('c', 'f') AND NOT r.relispartition AND r.relnamespace = "
	"'public'::regnamespace\n"
	"  AND x.conparentid = 0 LOOP\n"
	"  EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', c.tbl, "
	"c.conname);\n"
	" END LOOP;\n"
	" FOR t IN SELECT r.oid::regclass AS tbl, r.oid FROM pg_class r JOIN pg_attribute a ON "
	"a.attrelid = r.oid\n"
	"  WHERE a.attname = 'tenant_id' AND r.relkind IN ('r', 'p') AND NOT r.relispartition\n"
	"  AND r.relnamespace = 'public'::regnamespace LOOP\n"
	"  SELECT string_agg(quote_ident(a.attname), ', '), string_agg(CASE\n"
	"   WHEN a.attname = 'tenant_id' THEN '''aaaaaaaa-0000-7000-8000-000000000000''::uuid'\n"
	"   WHEN ty.typname = 'uuid' THEN 'gen_random_uuid()' WHEN ty.typname = 'bytea' THEN "
	"'decode(repeat(''01'', 64), ''hex'')'\n"
	"   WHEN ty.typname = 'timestamptz' THEN 'now()' WHEN ty.typname = 'date' THEN "
	"'current_date'\n"
	"   WHEN ty.typname = 'bool' THEN 'true' WHEN ty.typname = 'text' THEN '''x'''\n"
	"   WHEN ty.typname IN ('json', 'jsonb') THEN '''{}''' WHEN ty.typname = '_text' THEN "
	"'''{}''' ELSE '1' END, ', ')\n"
	"  INTO cols, vals FROM pg_attribute a JOIN pg_type ty ON ty.oid = a.atttypid\n"
	"  WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = "
	"''\n"
	"  AND a.attidentity = '' AND (a.attnotnull AND NOT a.atthasdef OR a.attname = "
	"'tenant_id');\n"
	"  EXECUTE format('INSERT INTO %s (%s) VALUES (%s)', t.tbl, cols, vals);\n"
	" END LOOP; END $$;\n";

static const char attack_sql[] =
	"CREATE TEMP TABLE target AS SELECT r.oid::regclass::text AS tbl, r.relrowsecurity AND "
	"r.relforcerowsecurity AS forced\n"
	" FROM pg_class r JOIN pg_attribute a ON a.attrelid = r.oid\n"
	" WHERE a.attname = 'tenant_id' AND r.relkind IN ('r', 'p') AND NOT r.relispartition\n"
	" AND r.relnamespace = 'public'::regnamespace;\n"
	"GRANT SELECT ON target TO patchbay_api;\n"
	"SET ROLE patchbay_api;\n"
	"DO $$ DECLARE t record; n bigint; tries int := 0; seen int := 0; who text; what text; "
	"BEGIN\n"
	" FOR t IN SELECT * FROM target LOOP\n"
	"  IF NOT t.forced THEN RAISE EXCEPTION '%: row security is not forced', t.tbl; END IF;\n"
	"  FOREACH who IN ARRAY ARRAY['', 'bbbbbbbb-0000-7000-8000-000000000000', "
	"'aaaaaaaa-0000-7000-8000-000000000000'] LOOP\n"
	"   PERFORM set_config('app.tenant', who, true);\n"
	"   BEGIN EXECUTE format('SELECT count(tenant_id) FROM %s WHERE tenant_id = %L', t.tbl,\n"
	"     'aaaaaaaa-0000-7000-8000-000000000000') INTO n;\n"
	"    IF who LIKE 'a%' THEN IF n <> 1 THEN RAISE EXCEPTION '%: A does not see its row', "
	"t.tbl; END IF;\n"
	"     seen := seen + 1; CONTINUE; END IF;\n"
	"    IF n <> 0 THEN RAISE EXCEPTION '%: \"%\" sees the row of A', t.tbl, who; END IF;\n"
	"   EXCEPTION WHEN insufficient_privilege THEN NULL; END;\n"
	"   CONTINUE WHEN who LIKE 'a%';\n"
	"   FOREACH what IN ARRAY ARRAY['UPDATE %s SET tenant_id = tenant_id', 'DELETE FROM %s',\n"
	"     "
	"'INSERT INTO %s (tenant_id) VALUES (''aaaaaaaa-0000-7000-8000-000000000000'')'] LOOP\n"
	"    BEGIN tries := tries + 1; EXECUTE format(what, t.tbl); GET DIAGNOSTICS n = "
	"ROW_COUNT;\n"
	"     IF n <> 0 THEN RAISE EXCEPTION '%: \"%\" changed rows of A: %', t.tbl, who, what; "
	"END IF;\n"
	"    EXCEPTION WHEN insufficient_privilege THEN NULL; WHEN not_null_violation THEN\n"
	"     RAISE EXCEPTION '%: \"%\" got past the policy: %', t.tbl, who, what; END;\n"
	"   END LOOP;\n"
	"  END LOOP;\n"
	" END LOOP;\n"
	" IF tries < 60 OR seen < 8 THEN RAISE EXCEPTION 'only % attacks, % seen: the test is "
	"broken', tries, seen; END IF;\n"
	"END $$;\nRESET ROLE;\n";

/* No way round the parents, and the engine stays away from secrets. */
static const char rights_sql[] =
	"DO $$ DECLARE r record; BEGIN\n"
	" FOR r IN SELECT c.oid::regclass AS tbl, u.rolname FROM pg_class c, pg_roles u WHERE "
	"c.relispartition\n"
	"  AND c.relkind = 'r' AND u.rolname IN ('patchbay_api', 'patchbay_engine', "
	"'patchbay_admin')\n"
	"  AND has_table_privilege(u.rolname, c.oid, 'SELECT, INSERT, UPDATE, DELETE') LOOP\n"
	"  RAISE EXCEPTION '% may touch the partition %', r.rolname, r.tbl; END LOOP;\n"
	" IF has_table_privilege('patchbay_engine', 'api_key', 'SELECT')\n"
	"  OR has_table_privilege('patchbay_engine', 'workflow', 'INSERT, UPDATE, DELETE')\n"
	"  OR has_column_privilege('patchbay_engine', 'hook', 'token_sealed', 'SELECT')\n"
	"  OR has_table_privilege('patchbay_api', 'execution', 'INSERT, DELETE')\n"
	"  OR has_column_privilege('patchbay_api', 'execution', 'lease_owner', 'UPDATE')\n"
	"  OR has_table_privilege('patchbay_api', 'workflow_version', 'UPDATE, DELETE')\n"
	"  OR has_column_privilege('patchbay_admin', 'execution', 'trigger_data', 'SELECT') THEN\n"
	"  RAISE EXCEPTION 'a role may do more than it should'; END IF; END $$;\n";

START_TEST(rls__every_tenant_table_stands)
{
	ck_assert_int_eq(pg_db_psql(db.super_url, prepare_sql), 0);
	ck_assert_int_eq(pg_db_psql(db.super_url, attack_sql), 0);
	ck_assert_int_eq(pg_db_psql(db.super_url, rights_sql), 0);
}
END_TEST

/* The attack must notice a hole, otherwise it proves nothing. */
START_TEST(rls__the_attack_finds_holes)
{
	static const char *const holes[] = {
		"ALTER TABLE workflow DISABLE ROW LEVEL SECURITY;",
		"CREATE POLICY hole ON execution FOR SELECT TO patchbay_api USING (true);",
		"CREATE POLICY hole ON connector_kv FOR INSERT TO patchbay_api WITH CHECK (true);",
		"ALTER TABLE hook NO FORCE ROW LEVEL SECURITY;",
	};

	ck_assert_int_eq(pg_db_psql(db.super_url, prepare_sql), 0);
	ck_assert_int_eq(pg_db_psql(db.super_url, holes[_i]), 0);
	ck_assert_int_ne(pg_db_psql(db.super_url, attack_sql), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_rls");
	TCase *tc = tcase_create("rls");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rls__every_tenant_table_stands);
	tcase_add_loop_test(tc, rls__the_attack_finds_holes, 0, 4);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
