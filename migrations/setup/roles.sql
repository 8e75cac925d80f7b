-- SPDX-License-Identifier: Apache-2.0
-- Once per database, by a PostgreSQL superuser, with psql: the four login roles and the database. Running it again
-- sets the passwords and changes nothing else. Passwords come as psql variables through standard input, so that
-- they are in no command line and no environment:
--
--   { printf "\\set database patchbay\n\\set migrate_password '%s'\n\\set api_password '%s'\n" "$m" "$a"
--     printf "\\set engine_password '%s'\n\\set admin_password '%s'\n" "$e" "$d"
--     cat migrations/setup/roles.sql; } | psql -X -q -v ON_ERROR_STOP=1 "$SUPERUSER_URL"
--
-- Locks: none on tables. Roles belong to the whole cluster; several databases may share them.

\if :{?database}
\else
\set database patchbay
\endif

-- Passwords must not reach the server's log, whatever it logs.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';

-- Two that run at once would both try to create the roles.
SELECT pg_advisory_lock(7305804402) \g /dev/null

SELECT format('CREATE ROLE %I LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', r)
FROM unnest(ARRAY['patchbay_migrate', 'patchbay_api', 'patchbay_engine', 'patchbay_admin']) AS r
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) \gexec

-- the database's owner may create in its schema through pg_database_owner, which needs INHERIT
ALTER ROLE patchbay_migrate INHERIT NOSUPERUSER NOBYPASSRLS PASSWORD :'migrate_password';
ALTER ROLE patchbay_api NOSUPERUSER NOBYPASSRLS PASSWORD :'api_password';
ALTER ROLE patchbay_engine NOSUPERUSER NOBYPASSRLS PASSWORD :'engine_password';
ALTER ROLE patchbay_admin NOSUPERUSER NOBYPASSRLS PASSWORD :'admin_password';

SELECT format('CREATE DATABASE %I OWNER patchbay_migrate ENCODING ''UTF8'' LOCALE ''C.UTF-8'' TEMPLATE template0', :'database')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec

-- Nobody but the four roles gets in.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'database') \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO patchbay_migrate, patchbay_api, patchbay_engine, patchbay_admin', :'database') \gexec
SELECT format('ALTER DATABASE %I SET timezone TO ''UTC''', :'database') \gexec

SELECT pg_advisory_unlock(7305804402) \g /dev/null
