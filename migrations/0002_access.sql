-- SPDX-License-Identifier: Apache-2.0
-- Tenants, API keys, data keys and connections.
-- Why:   everything later hangs on a tenant, and credentials must exist before anything can run.
-- Locks: nothing; only new tables.
--
-- Row-level security is forced: the owner (the migration role) obeys it too. The two SECURITY DEFINER functions
-- below must see more, so the policies `owner` let the owner in while app.definer is set, which the functions
-- do for their own duration. CURRENT_USER in a policy is the role that runs this migration.

CREATE TABLE tenant (
	id         uuid PRIMARY KEY,
	slug       text COLLATE "C" NOT NULL,
	name       text NOT NULL,
	status     text NOT NULL DEFAULT 'active',
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT tenant_slug_key UNIQUE (slug),
	-- safe in host names, Redis keys and NATS subjects
	CONSTRAINT tenant_slug CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])$'),
	CONSTRAINT tenant_name CHECK (char_length(name) BETWEEN 1 AND 200),
	CONSTRAINT tenant_status CHECK (status IN ('pending', 'active', 'suspended'))
);
INSERT INTO tenant (id, slug, name)
VALUES ('00000000-0000-7000-8000-000000000001', 'platform', 'Patchbay platform');

ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON tenant FOR SELECT TO CURRENT_USER USING (current_setting('app.definer', true) = 'api_key');
-- here the tenant's id is the key itself
CREATE POLICY tenant ON tenant TO patchbay_api
	USING (id = NULLIF(current_setting('app.tenant', true), '')::uuid)
	WITH CHECK (id = NULLIF(current_setting('app.tenant', true), '')::uuid);
CALL pb_open_tenant_table('tenant', 'patchbay_engine', 'SELECT');
CALL pb_open_tenant_table('tenant', 'patchbay_admin');
GRANT SELECT ON tenant TO patchbay_api;
GRANT UPDATE (name, updated_at) ON tenant TO patchbay_api;
GRANT SELECT (id, slug, status) ON tenant TO patchbay_engine;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant TO patchbay_admin;

CREATE TABLE api_key (
	tenant_id    uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
	id           uuid NOT NULL,
	name         text NOT NULL,
	hint         text NOT NULL,
	hash         bytea NOT NULL,
	role         text NOT NULL,
	scopes       text NOT NULL DEFAULT '',
	created_by   uuid,
	created_at   timestamptz NOT NULL DEFAULT now(),
	expires_at   timestamptz,
	revoked_at   timestamptz,
	last_used_at timestamptz,
	PRIMARY KEY (tenant_id, id),
	CONSTRAINT api_key_hash_key UNIQUE (hash),
	CONSTRAINT api_key_hash CHECK (octet_length(hash) = 32),
	CONSTRAINT api_key_name CHECK (char_length(name) BETWEEN 1 AND 100),
	CONSTRAINT api_key_hint CHECK (char_length(hint) <= 16),
	CONSTRAINT api_key_scopes CHECK (octet_length(scopes) <= 4096),
	CONSTRAINT api_key_expiry CHECK (expires_at > created_at),
	CONSTRAINT api_key_role CHECK (role IN ('viewer', 'operator', 'editor', 'admin', 'owner', 'super_admin')),
	CONSTRAINT api_key_platform CHECK (
		role <> 'super_admin' OR tenant_id = '00000000-0000-7000-8000-000000000001')
) WITH (fillfactor = 80); -- last_used_at changes often and is in no index
CREATE UNIQUE INDEX api_key_name_key ON api_key (tenant_id, lower(name COLLATE "C"))
	WHERE revoked_at IS NULL;
CALL pb_protect_tenant_table('api_key');
CREATE POLICY owner ON api_key TO CURRENT_USER USING (current_setting('app.definer', true) = 'api_key');
CALL pb_open_tenant_table('api_key', 'patchbay_admin');
GRANT SELECT, INSERT ON api_key TO patchbay_api, patchbay_admin;
GRANT UPDATE (revoked_at, last_used_at) ON api_key TO patchbay_api, patchbay_admin;

-- The one question that is asked before the tenant is known. Only an exact hash finds anything.
CREATE FUNCTION api_key_lookup(wanted bytea)
RETURNS TABLE (id uuid, tenant_id uuid, name text, hint text, role text, scopes text, created_by uuid,
	created_at timestamptz, expires_at timestamptz, revoked_at timestamptz,
	last_used_at timestamptz, tenant_status text, db_now timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM set_config('app.definer', 'api_key', true);
	RETURN QUERY SELECT k.id, k.tenant_id, k.name, k.hint, k.role, k.scopes, k.created_by, k.created_at,
	       k.expires_at, k.revoked_at, k.last_used_at, t.status, now()
	FROM public.api_key k JOIN public.tenant t ON t.id = k.tenant_id
	WHERE k.hash = wanted;
	PERFORM set_config('app.definer', '', true);
END
$$;
REVOKE ALL ON FUNCTION api_key_lookup(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_lookup(bytea) TO patchbay_api;

-- Last-used times of keys of many tenants at once; can do nothing but move a time forward, and never past now.
CREATE FUNCTION api_key_used(tenants uuid[], keys uuid[], times timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
	PERFORM set_config('app.definer', 'api_key', true);
	UPDATE public.api_key k SET last_used_at = least(u.used_at, now())
	FROM unnest(tenants, keys, times) AS u (tenant_id, id, used_at)
	WHERE k.tenant_id = u.tenant_id AND k.id = u.id
	  AND (k.last_used_at IS NULL OR k.last_used_at < least(u.used_at, now()));
	PERFORM set_config('app.definer', '', true);
END
$$;
REVOKE ALL ON FUNCTION api_key_used(uuid[], uuid[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_used(uuid[], uuid[], timestamptz[]) TO patchbay_api;

-- Wrapped data keys. Deleting a tenant's rows makes everything it sealed unreadable.
CREATE TABLE data_key (
	tenant_id  uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
	id         bigint NOT NULL,
	kek_id     text COLLATE "C" NOT NULL,
	wrapped    bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant_id, id),
	CONSTRAINT data_key_id CHECK (id BETWEEN 1 AND 4294967295),
	CONSTRAINT data_key_kek CHECK (octet_length(kek_id) BETWEEN 1 AND 31),
	CONSTRAINT data_key_wrapped CHECK (octet_length(wrapped) BETWEEN 45 AND 128)
);
CALL pb_protect_tenant_table('data_key');
CALL pb_open_tenant_table('data_key', 'patchbay_admin');
GRANT SELECT, INSERT, DELETE ON data_key TO patchbay_api;
GRANT SELECT, DELETE ON data_key TO patchbay_admin;
GRANT UPDATE (kek_id, wrapped) ON data_key TO patchbay_admin;

-- The wrapped platform root key; being able to open it proves that the master key is the right one.
CREATE TABLE platform_key (
	id         bigint PRIMARY KEY,
	kek_id     text COLLATE "C" NOT NULL,
	wrapped    bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT platform_key_single CHECK (id = 1),
	CONSTRAINT platform_key_kek CHECK (octet_length(kek_id) BETWEEN 1 AND 31),
	CONSTRAINT platform_key_wrapped CHECK (octet_length(wrapped) BETWEEN 45 AND 128)
);
GRANT SELECT, INSERT ON platform_key TO patchbay_api;
GRANT SELECT ON platform_key TO patchbay_admin;
GRANT UPDATE (kek_id, wrapped) ON platform_key TO patchbay_admin;

-- A tenant's credentials for a connector; `secrets` is sealed for (connection, secrets, tenant, id,
-- secret_revision), its bytes 1..4 are the number of the data key.
CREATE TABLE connection (
	tenant_id       uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
	id              uuid NOT NULL,
	name            text NOT NULL,
	connector       text COLLATE "C" NOT NULL,
	auth_type       text COLLATE "C" NOT NULL,
	fields          bytea NOT NULL,
	status          text NOT NULL DEFAULT 'untested',
	status_reason   text NOT NULL DEFAULT '',
	revision        bigint NOT NULL DEFAULT 1,
	secret_revision bigint NOT NULL DEFAULT 1,
	secrets         bytea NOT NULL,
	secret_key_id   bigint GENERATED ALWAYS AS (get_byte(secrets, 1)::bigint << 24
		| get_byte(secrets, 2)::bigint << 16 | get_byte(secrets, 3)::bigint << 8
		| get_byte(secrets, 4)::bigint) STORED,
	created_at      timestamptz NOT NULL DEFAULT now(),
	updated_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant_id, id),
	CONSTRAINT connection_name CHECK (char_length(name) BETWEEN 1 AND 100),
	CONSTRAINT connection_connector CHECK (octet_length(connector) BETWEEN 1 AND 64),
	CONSTRAINT connection_auth_type CHECK (octet_length(auth_type) BETWEEN 1 AND 64),
	CONSTRAINT connection_fields CHECK (octet_length(fields) BETWEEN 2 AND 65536),
	CONSTRAINT connection_secrets CHECK (octet_length(secrets) BETWEEN 45 AND 262144),
	CONSTRAINT connection_status CHECK (status IN ('untested', 'ok', 'failed', 'needs_reconnect')),
	CONSTRAINT connection_reason CHECK (char_length(status_reason) <= 500),
	CONSTRAINT connection_revision CHECK (secret_revision BETWEEN 1 AND revision)
);
CREATE UNIQUE INDEX connection_name_key ON connection (tenant_id, lower(name COLLATE "C"));
CALL pb_protect_tenant_table('connection');
GRANT SELECT, INSERT, UPDATE, DELETE ON connection TO patchbay_api;
-- the super admin sees that connections exist, never what is in them
CALL pb_open_tenant_table('connection', 'patchbay_admin', 'SELECT');
GRANT SELECT (tenant_id, id, connector, status, created_at) ON connection TO patchbay_admin;
