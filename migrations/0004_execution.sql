-- SPDX-License-Identifier: Apache-2.0
-- Why:   live executions, their history, steps, payloads, signals and idempotency keys.
-- Locks: nothing that exists before.
--
-- Status numbers are those of core/model/status.h: execution queued 0, running 1, waiting 2, succeeded 3, failed 4,
-- cancelled 5.

-- ---- live ---------------------------------------------------------------------------------------------------
-- One plain table, because a claim over hundreds of partitions would lock and plan all of them. Rows stay for the time
-- an execution takes; each is updated a few times, hence the room in the pages and the eager autovacuum.
-- due_at is the only time anybody searches for: queued -> dispatch again, running -> the lease's end, waiting -> when
-- to wake, or infinity.
CREATE TABLE execution (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL,                 -- UUIDv7: its time is the creation's
	workflow_id uuid NOT NULL,
	workflow_version integer NOT NULL,
	status smallint NOT NULL,
	wait_reason smallint NOT NULL DEFAULT 0,
	mode smallint NOT NULL DEFAULT 0,
	dispatch integer NOT NULL DEFAULT 1,
	lease_epoch integer NOT NULL DEFAULT 0,
	recoveries integer NOT NULL DEFAULT 0,
	signals integer NOT NULL DEFAULT 0, -- unread; a count, so that adding and taking need no look at the other table
	last_write bigint NOT NULL DEFAULT 0, -- the last checkpoint's own number: how a repeated one is recognised
	seed bigint NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL,
	started_at timestamptz,
	due_at timestamptz NOT NULL,
	lease_owner uuid,                 -- kept after parking, for repeats
	lease_token uuid,
	retry_of uuid,
	retry_from text,
	trigger_data bytea,               -- exact bytes, or
	trigger_ref bytea,                -- SHA-256 of a payload of the id's day
	PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
	autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1,
	autovacuum_vacuum_cost_delay = 0);
ALTER TABLE execution ALTER COLUMN trigger_data SET COMPRESSION lz4;
CREATE INDEX execution_due ON execution (due_at) WITH (fillfactor = 70);

-- Signals wait here for the holder of the lease.
CREATE TABLE execution_signal (
	tenant_id uuid NOT NULL,
	execution_id uuid NOT NULL,
	id uuid NOT NULL,
	kind smallint NOT NULL,
	body bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (tenant_id, execution_id, id)
);

-- Written in the transaction that accepts an execution, or by a POST that makes something else.
CREATE TABLE idempotency (
	tenant_id uuid NOT NULL,
	scope text NOT NULL,
	key_hash bytea NOT NULL,
	request_hash bytea NOT NULL,
	execution_id uuid,
	http_status integer, -- with body: the answer; NULL with execution_id NULL: still under way
	body bytea,
	busy_until timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	PRIMARY KEY (tenant_id, scope, key_hash)
);
CREATE INDEX idempotency_expires ON idempotency (expires_at);

-- ---- by day -------------------------------------------------------------------------------------------------
-- Partitioned by the day in the execution's UUIDv7, made ahead, dropped by retention. The default partitions take rows
-- when nobody made ahead, or when a clock was wrong.
CREATE TABLE execution_history (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL,
	workflow_id uuid NOT NULL,
	workflow_version integer NOT NULL,
	status smallint NOT NULL,
	mode smallint NOT NULL,
	dispatch integer NOT NULL,
	lease_epoch integer NOT NULL,
	recoveries integer NOT NULL,
	seed bigint NOT NULL,
	created_at timestamptz NOT NULL,
	started_at timestamptz,
	finished_at timestamptz NOT NULL,
	lease_owner uuid,
	retry_of uuid,
	retry_from text,
	trigger_data bytea,
	trigger_ref bytea,
	result bytea,
	result_ref bytea,
	error bytea,
	PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
ALTER TABLE execution_history ALTER COLUMN trigger_data SET COMPRESSION lz4;
ALTER TABLE execution_history ALTER COLUMN result SET COMPRESSION lz4;
-- Lists of one workflow's executions, newest first.
CREATE INDEX execution_history_workflow ON execution_history (tenant_id, workflow_id, id);
-- Dead letters: failures are few and looked for.
CREATE INDEX execution_history_failed ON execution_history (tenant_id, id) WHERE status = 4;
CREATE TABLE execution_history_default PARTITION OF execution_history DEFAULT;

CREATE TABLE step_run (
	tenant_id uuid NOT NULL,
	execution_id uuid NOT NULL,
	step_id text NOT NULL,
	item text NOT NULL DEFAULT '',
	status smallint NOT NULL,
	wait_reason smallint NOT NULL DEFAULT 0,
	attempt integer NOT NULL DEFAULT 0,
	position integer NOT NULL DEFAULT 0,
	attempts bytea,
	input bytea,
	input_ref bytea,
	output bytea,
	output_ref bytea,
	error bytea,
	idempotency_key text,
	connector text,
	connector_version text,
	next_attempt_at timestamptz,
	started_at timestamptz,
	finished_at timestamptz,
	PRIMARY KEY (tenant_id, execution_id, step_id, item)
) PARTITION BY RANGE (execution_id);
ALTER TABLE step_run ALTER COLUMN attempts SET COMPRESSION lz4;
ALTER TABLE step_run ALTER COLUMN input SET COMPRESSION lz4;
ALTER TABLE step_run ALTER COLUMN output SET COMPRESSION lz4;
CREATE TABLE step_run_default PARTITION OF step_run DEFAULT;

-- Large values, once a tenant and day.
CREATE TABLE payload (
	tenant_id uuid NOT NULL,
	day date NOT NULL,
	sha256 bytea NOT NULL,
	data bytea NOT NULL,
	PRIMARY KEY (tenant_id, day, sha256)
) PARTITION BY RANGE (day);
ALTER TABLE payload ALTER COLUMN data SET COMPRESSION lz4;
CREATE TABLE payload_default PARTITION OF payload DEFAULT;

-- The first UUIDv7 of a day, and the day of a UUIDv7.
CREATE FUNCTION pb_uuid_day_start(d date) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
	SELECT (lpad(to_hex(((d - date '1970-01-01')::bigint) * 86400000), 12, '0') || repeat('0', 20))::uuid
$$;
CREATE FUNCTION pb_uuid_day(id uuid) RETURNS date
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
	SELECT date '1970-01-01' + (('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint / 86400000)::integer
$$;
GRANT EXECUTE ON FUNCTION pb_uuid_day_start(date), pb_uuid_day(uuid) TO patchbay_api, patchbay_engine, patchbay_admin;

-- How an execution ended, for a writer that repeats what it is not sure of. Plans anew with the id known, so that one
-- partition is opened, not all; VOLATILE, so that it sees what was committed while the caller waited for a lock.
CREATE FUNCTION execution_receipt(t uuid, i uuid, OUT lease_epoch integer, OUT lease_owner uuid, OUT finished_at timestamptz)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
	EXECUTE format('SELECT h.lease_epoch, h.lease_owner, h.finished_at FROM execution_history h
		WHERE h.tenant_id = %L AND h.id = %L', t, i)
	INTO lease_epoch, lease_owner, finished_at;
END
$$;
GRANT EXECUTE ON FUNCTION execution_receipt(uuid, uuid) TO patchbay_engine;

-- A large value by its reference, for the same reasons planned anew each time.
CREATE FUNCTION payload_data(t uuid, i uuid, ref bytea) RETURNS bytea
LANGUAGE plpgsql STABLE
AS $$
DECLARE
	found bytea;
BEGIN
	EXECUTE format('SELECT p.data FROM payload p WHERE p.tenant_id = %L AND p.day = %L AND p.sha256 = %L',
		t, pb_uuid_day(i), ref)
	INTO found;
	RETURN found;
END
$$;
GRANT EXECUTE ON FUNCTION payload_data(uuid, uuid, bytea) TO patchbay_api, patchbay_engine;

-- ---- rights -------------------------------------------------------------------------------------------------
CALL pb_protect_tenant_table('execution');
CALL pb_protect_tenant_table('execution_signal');
CALL pb_protect_tenant_table('idempotency');
CALL pb_protect_tenant_table('execution_history');
CALL pb_protect_tenant_table('step_run');
CALL pb_protect_tenant_table('payload');
CALL pb_open_tenant_table('execution', 'patchbay_engine');
CALL pb_open_tenant_table('execution_signal', 'patchbay_engine');
CALL pb_open_tenant_table('idempotency', 'patchbay_engine');
CALL pb_open_tenant_table('execution_history', 'patchbay_engine');
CALL pb_open_tenant_table('step_run', 'patchbay_engine');
CALL pb_open_tenant_table('payload', 'patchbay_engine');
CALL pb_open_tenant_table('execution', 'patchbay_admin', 'SELECT');
CALL pb_open_tenant_table('execution_history', 'patchbay_admin', 'SELECT');

GRANT SELECT, INSERT, UPDATE, DELETE ON execution, execution_signal, idempotency, execution_history, step_run, payload
	TO patchbay_engine;
-- The API reads, and pokes a live execution when it adds a signal.
GRANT SELECT ON execution, execution_history, step_run, payload TO patchbay_api;
GRANT UPDATE (status, wait_reason, dispatch, due_at, signals) ON execution TO patchbay_api;
GRANT SELECT, INSERT ON execution_signal TO patchbay_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency TO patchbay_api;
-- Numbers for the platform's views, no contents.
GRANT SELECT (tenant_id, id, workflow_id, status, created_at, started_at, due_at, recoveries) ON execution TO patchbay_admin;
GRANT SELECT (tenant_id, id, workflow_id, status, created_at, started_at, finished_at, recoveries) ON execution_history
	TO patchbay_admin;

-- ---- partitions ---------------------------------------------------------------------------------------------
-- The oldest execution that a live one still needs (itself or the one it repeats): nothing as old is dropped. The owner
-- needs a policy to see the rows at all; without it everything would look free to drop.
CREATE POLICY retention ON execution FOR SELECT TO CURRENT_USER USING (true);

-- One step of maintenance: makes one missing partition or drops one old one, and says which ('+name', '-name', NULL when
-- nothing is left to do). One at a time, so that each is a short transaction. Made apart and attached, because that
-- does not lock readers and writers of the parent; rows that meanwhile went to the default partition are moved.
CREATE FUNCTION partition_step(ahead integer, keep integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
	parent text;
	col text;
	d date;
	today date := (now() AT TIME ZONE 'UTC')::date;
	part text;
	lo text;
	hi text;
	oldest date;
	old record;
BEGIN
	IF ahead NOT BETWEEN 0 AND 60 OR keep NOT BETWEEN 1 AND 3650 THEN
		RAISE EXCEPTION 'ahead must be 0..60 and keep 1..3650 days' USING ERRCODE = '22023';
	END IF;
	-- Several hosts may be at it: one works, the others come back later.
	IF NOT pg_try_advisory_xact_lock(7305804403) THEN
		RETURN NULL;
	END IF;

	FOREACH parent IN ARRAY ARRAY['execution_history', 'step_run', 'payload'] LOOP
		col := CASE parent WHEN 'execution_history' THEN 'id' WHEN 'step_run' THEN 'execution_id' ELSE 'day' END;
		-- yesterday too: executions accepted before midnight end after it
		FOR d IN SELECT today + g FROM generate_series(-1, ahead) g LOOP
			part := parent || to_char(d, '_YYYYMMDD');
			IF to_regclass(part) IS NOT NULL THEN
				CONTINUE;
			END IF;
			lo := CASE parent WHEN 'payload' THEN d::text ELSE pb_uuid_day_start(d)::text END;
			hi := CASE parent WHEN 'payload' THEN (d + 1)::text ELSE pb_uuid_day_start(d + 1)::text END;
			EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);
			EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', parent || '_default');
			EXECUTE format('WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *)
				INSERT INTO %I SELECT * FROM moved', parent || '_default', col, lo, col, hi, part);
			EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, lo, hi);
			RETURN '+' || part;
		END LOOP;
	END LOOP;

	SELECT min(pb_uuid_day(least(e.id, coalesce(e.retry_of, e.id)))) INTO oldest FROM execution e;
	FOR old IN
		SELECT c.relname, to_date(right(c.relname, 8), 'YYYYMMDD') AS day
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent IN ('execution_history'::regclass, 'step_run'::regclass, 'payload'::regclass)
			AND c.relname ~ '_[0-9]{8}$'
		ORDER BY 2, 1
	LOOP
		EXIT WHEN old.day >= today - keep OR (oldest IS NOT NULL AND old.day >= oldest);
		EXECUTE format('DROP TABLE %I', old.relname);
		RETURN '-' || old.relname;
	END LOOP;
	RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION partition_step(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partition_step(integer, integer) TO patchbay_engine;

-- The first days, so that a new database does not begin with default partitions.
DO $$ BEGIN
	WHILE partition_step(3, 3650) IS NOT NULL LOOP
		NULL;
	END LOOP;
END $$;
