# SPDX-License-Identifier: Apache-2.0
# Patchbay's database and its four login roles on the private server of lib/servers.sh. Source it after that.
#
#   database_create DIR NAME    make them (again is fine: passwords are set, data stays)
#   database_url DIR NAME ROLE  the libpq URI of one role: api, engine, admin, migrate
#
# What the roles are and may do: migrations/README.md. Passwords are kept in DIR/secrets and travel to psql
# through its standard input; the superuser's through a file that only we may read.

DATABASE_ROLES="migrate api engine admin"

database_secrets() {
	local dir=$1 role

	for role in $DATABASE_ROLES; do
		grep -qs "^DATABASE_${role^^}_PASSWORD=" "$dir/secrets" ||
			echo "DATABASE_${role^^}_PASSWORD=$(servers_random)" >>"$dir/secrets"
	done
	. "$dir/secrets"
}

database_password() {
	local name=DATABASE_${1^^}_PASSWORD
	echo "${!name}"
}

database_create() {
	local dir=$1 name=$2 port role
	local sql=${BASH_SOURCE[0]%/*}/../../migrations/setup/roles.sql

	port=$(cat "$dir/ports/postgres")
	database_secrets "$dir"
	(umask 077 && echo "127.0.0.1:$port:*:postgres:$SERVERS_PG_PASSWORD" >"$dir/conf/pgpass")
	{
		echo "\\set database $name"
		for role in $DATABASE_ROLES; do
			echo "\\set ${role}_password '$(database_password "$role")'"
		done
		cat "$sql"
	} | PGPASSFILE=$dir/conf/pgpass "$SERVERS_PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 \
		"postgresql://postgres@127.0.0.1:$port/postgres" >"$dir/log/database.log" 2>&1 && return 0
	cat "$dir/log/database.log" >&2
	servers_die "the database could not be made (see above)"
}

database_url() {
	local dir=$1 name=$2 role=$3

	echo "postgresql://patchbay_$role:$(database_password "$role")@127.0.0.1:$(cat "$dir/ports/postgres")/$name"
}
