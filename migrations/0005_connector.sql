-- SPDX-License-Identifier: Apache-2.0
-- Why:   which connector versions are on, what is quarantined, and what connectors keep (cursors, subscriptions).
-- Locks: nothing that exists before.

-- Of the platform, not of a tenant.
CREATE TABLE connector_state (
	connector text PRIMARY KEY,
	version text NOT NULL,
	previous_version text NOT NULL DEFAULT '',
	status smallint NOT NULL, -- 1 enabled, 2 disabled
	granted bytea,
	revision bigint NOT NULL DEFAULT 1,
	updated_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON connector_state TO patchbay_api;
GRANT SELECT, INSERT, UPDATE ON connector_state TO patchbay_engine, patchbay_admin;

-- tenant_id nil: for all tenants; every tenant may see that.
CREATE TABLE connector_quarantine (
	tenant_id uuid NOT NULL,
	connector text NOT NULL,
	version text NOT NULL,
	operation text NOT NULL DEFAULT '', -- '': all operations
	reason text NOT NULL,
	since timestamptz NOT NULL DEFAULT now(),
	until timestamptz NOT NULL DEFAULT 'infinity',
	PRIMARY KEY (tenant_id, connector, version, operation)
);
CALL pb_protect_tenant_table('connector_quarantine');
CREATE POLICY for_all ON connector_quarantine FOR SELECT TO patchbay_api
	USING (tenant_id = '00000000-0000-0000-0000-000000000000');
CALL pb_open_tenant_table('connector_quarantine', 'patchbay_engine');
CALL pb_open_tenant_table('connector_quarantine', 'patchbay_admin');
GRANT SELECT ON connector_quarantine TO patchbay_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON connector_quarantine TO patchbay_engine, patchbay_admin;

CREATE TABLE connector_kv (
	tenant_id uuid NOT NULL,
	scope text NOT NULL,
	key text NOT NULL,
	value bytea NOT NULL,
	revision bigint NOT NULL DEFAULT 1,
	expires_at timestamptz,
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant_id, scope, key)
) WITH (fillfactor = 80);
CREATE INDEX connector_kv_expires ON connector_kv (expires_at) WHERE expires_at IS NOT NULL;
-- Revisions rise over deletions too: a value that was deleted and made again is another one.
CREATE SEQUENCE connector_kv_revision;
GRANT USAGE ON SEQUENCE connector_kv_revision TO patchbay_api, patchbay_engine;
CALL pb_protect_tenant_table('connector_kv');
CALL pb_open_tenant_table('connector_kv', 'patchbay_engine');
GRANT SELECT, INSERT, UPDATE, DELETE ON connector_kv TO patchbay_api, patchbay_engine;
