-- SPDX-License-Identifier: Apache-2.0
-- Why:   workflows, their immutable versions, and the hook tokens that start them.
-- Locks: nothing that exists before.

-- The row that changes. `revision` is the ETag. A deleted workflow stays, without its hook, because executions may
-- still run on its versions.
CREATE TABLE workflow (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL,
	name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
	active boolean NOT NULL DEFAULT false,
	latest_version integer NOT NULL DEFAULT 1,
	published_version integer NOT NULL DEFAULT 0, -- 0: never
	trigger_type text NOT NULL DEFAULT '',        -- of the latest version, for lists
	published_trigger text NOT NULL DEFAULT '',   -- of the published one, for schedulers
	revision bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	created_by uuid,
	deleted_at timestamptz,
	PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 90);

-- What schedulers and pollers walk through: only what is on.
CREATE INDEX workflow_active ON workflow (published_trigger, id)
	WHERE active AND published_version > 0 AND deleted_at IS NULL;

-- Exact bytes as they were given. No UPDATE is granted to anybody: a version never changes.
CREATE TABLE workflow_version (
	tenant_id uuid NOT NULL,
	workflow_id uuid NOT NULL,
	version integer NOT NULL CHECK (version > 0),
	definition bytea NOT NULL,
	trigger_type text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by uuid,
	PRIMARY KEY (tenant_id, workflow_id, version),
	FOREIGN KEY (tenant_id, workflow_id) REFERENCES workflow
);
ALTER TABLE workflow_version ALTER COLUMN definition SET COMPRESSION lz4;

-- One token of one workflow. `active` and `version` repeat what the workflow says, so that the hosts' snapshot is one
-- index range. A removed or replaced token stays as an inactive row: that is how hosts learn that it has gone.
CREATE TABLE hook (
	tenant_id uuid NOT NULL,
	token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
	workflow_id uuid NOT NULL,
	token_sealed bytea,
	active boolean NOT NULL,
	version integer NOT NULL,
	removed boolean NOT NULL DEFAULT false,
	changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (tenant_id, token_hash),
	FOREIGN KEY (tenant_id, workflow_id) REFERENCES workflow
);
-- A request knows the token only, not the tenant.
CREATE UNIQUE INDEX hook_token ON hook (token_hash);
-- The hosts' refresh asks for what changed since.
CREATE INDEX hook_changed ON hook (changed_at);
CREATE INDEX hook_workflow ON hook (tenant_id, workflow_id) WHERE NOT removed;

CALL pb_protect_tenant_table('workflow');
CALL pb_protect_tenant_table('workflow_version');
CALL pb_protect_tenant_table('hook');
CALL pb_open_tenant_table('workflow', 'patchbay_engine', 'SELECT');
CALL pb_open_tenant_table('workflow_version', 'patchbay_engine', 'SELECT');
CALL pb_open_tenant_table('hook', 'patchbay_engine', 'SELECT');
CALL pb_open_tenant_table('workflow', 'patchbay_admin', 'SELECT');

GRANT SELECT, INSERT, UPDATE ON workflow TO patchbay_api;
GRANT SELECT, INSERT ON workflow_version TO patchbay_api;
GRANT SELECT, INSERT, UPDATE ON hook TO patchbay_api;
GRANT SELECT ON workflow, workflow_version TO patchbay_engine;
GRANT SELECT (tenant_id, token_hash, workflow_id, active, version, removed, changed_at) ON hook TO patchbay_engine;
GRANT SELECT ON workflow TO patchbay_admin;

-- Finds a hook when the tenant is not known yet: who has a token's hash has the token. Runs as the owner, which needs
-- its own policy because row-level security is forced.
CREATE POLICY hook_lookup ON hook FOR SELECT TO CURRENT_USER USING (true);
CREATE FUNCTION hook_find(hash bytea)
RETURNS TABLE (token_hash bytea, tenant_id uuid, workflow_id uuid, version integer, active boolean, changed_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
	SELECT h.token_hash, h.tenant_id, h.workflow_id, h.version, h.active, h.changed_at
	FROM hook h WHERE h.token_hash = hash AND NOT h.removed
$$;
REVOKE ALL ON FUNCTION hook_find(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hook_find(bytea) TO patchbay_api, patchbay_engine;
