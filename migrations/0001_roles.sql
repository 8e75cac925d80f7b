-- SPDX-License-Identifier: Apache-2.0
-- Why:   who may do what in this schema, and the one procedure that puts a table behind row-level security.
--        The roles themselves, with their passwords, come from setup/roles.sql.
-- Locks: the catalogue rows of the schema public, for an instant.

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO patchbay_api, patchbay_engine, patchbay_admin;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Every role may read which migrations the database has: `serve` refuses to start on an old schema.
GRANT SELECT ON patchbay_migration TO patchbay_api, patchbay_engine, patchbay_admin;

-- Puts @tbl behind row-level security, forced (the owner too). patchbay_api sees the rows of app.tenant only; without
-- that setting it sees nothing. Rights on the table itself are granted by each migration.
-- The expression stands in the policy, not in a function, so that it can be used as an index condition.
CREATE PROCEDURE pb_protect_tenant_table(tbl regclass)
LANGUAGE plpgsql
AS $$
BEGIN
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
	EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
	EXECUTE format('CREATE POLICY tenant ON %s TO patchbay_api
		USING (tenant_id = NULLIF(current_setting(''app.tenant'', true), '''')::uuid)
		WITH CHECK (tenant_id = NULLIF(current_setting(''app.tenant'', true), '''')::uuid)', tbl);
END
$$;

-- A role whose work mixes tenants (the engine's batches) or that looks across them (the platform's views).
CREATE PROCEDURE pb_open_tenant_table(tbl regclass, to_role name, command text DEFAULT 'ALL')
LANGUAGE plpgsql
AS $$
BEGIN
	IF command = 'SELECT' THEN
		EXECUTE format('CREATE POLICY %I ON %s FOR SELECT TO %I USING (true)', to_role || '_select', tbl, to_role);
	ELSE
		EXECUTE format('CREATE POLICY %I ON %s TO %I USING (true) WITH CHECK (true)', to_role || '_all', tbl, to_role);
	END IF;
END
$$;

REVOKE ALL ON PROCEDURE pb_protect_tenant_table(regclass) FROM PUBLIC;
REVOKE ALL ON PROCEDURE pb_open_tenant_table(regclass, name, text) FROM PUBLIC;
