# SPDX-License-Identifier: Apache-2.0
# Private PostgreSQL 15, Redis 7 and nats-server in one folder, for tests and quickstart. Source it from bash.
#
#   servers_init DIR        make the folder, its accounts and passwords (again and again is fine)
#   servers_start DIR [NAME...]     start what is not running; data, ports and passwords are kept
#   servers_stop DIR [NAME...]      stop in order; a server killed with kill -9 is simply gone
#   servers_urls DIR        set SERVERS_PG_URL, SERVERS_REDIS_URL, SERVERS_NATS_URL
#
# DIR/pids/NAME, DIR/ports/NAME, DIR/log/NAME.log, DIR/data/NAME, DIR/conf/, DIR/secrets (0600).
# Surprising: started by root, everything runs as SERVERS_ACCOUNT, so DIR must be reachable for it. With
# SERVERS_TIED=1 the kernel ends the servers when the shell that started them dies, however it dies.

SERVERS_ALL="postgres redis nats"
SERVERS_ACCOUNT=${SERVERS_ACCOUNT:-patchbay-dev}
SERVERS_PG_BIN=${SERVERS_PG_BIN:-/usr/lib/postgresql/15/bin}
SERVERS_TIED=${SERVERS_TIED:-}
SERVERS_SOCKET_DIR=

servers_die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# Where the servers' programs are: Debian keeps nats-server in sbin, which is not in every user's PATH.
servers_program() {
	PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1"
}

servers_check_programs() {
	[ -x "$SERVERS_PG_BIN/postgres" ] || servers_die "PostgreSQL 15 is missing (Debian package postgresql-15)"
	servers_program redis-server >/dev/null || servers_die "Redis is missing (Debian package redis-server)"
	servers_program nats-server >/dev/null || servers_die "nats-server is missing (Debian package nats-server)"
}

# Root gives the servers an account of their own, once for this machine.
servers_account() {
	[ "$(id -u)" = 0 ] || return 0
	id -u "$SERVERS_ACCOUNT" >/dev/null 2>&1 && return 0
	useradd --system --user-group --no-create-home --home-dir /nonexistent \
		--shell /usr/sbin/nologin "$SERVERS_ACCOUNT" 2>/dev/null && return 0
	# two first starts at once: the other one may have made it
	id -u "$SERVERS_ACCOUNT" >/dev/null 2>&1 ||
		servers_die "cannot create the system account $SERVERS_ACCOUNT"
}

# servers_as CMD...: run a command as the servers' account, with a clean environment.
servers_as() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid="$SERVERS_ACCOUNT" --regid="$SERVERS_ACCOUNT" --clear-groups \
			env -i PATH="$PATH" LC_ALL=C.UTF-8 TZ=UTC HOME=/nonexistent "$@"
	else
		env -i PATH="$PATH" LC_ALL=C.UTF-8 TZ=UTC HOME="$HOME" "$@"
	fi
}

servers_give() {
	[ "$(id -u)" != 0 ] || chown "$SERVERS_ACCOUNT:$SERVERS_ACCOUNT" "$@"
}

servers_random() {
	od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# A port nobody listens on now, below the kernel's ephemeral range; starting still has to cope with a loser.
servers_free_port() {
	local port hex tries
	for tries in {1..200}; do
		port=$((20000 + SRANDOM % 12000))
		hex=$(printf ':%04X ' "$port")
		grep -qsF "$hex" /proc/net/tcp /proc/net/tcp6 || { echo "$port"; return 0; }
	done
	servers_die "no free port between 20000 and 32000"
}

# servers_pid DIR NAME: prints the pid if that process lives and is ours; pid files of the dead are ignored.
servers_pid() {
	local pid
	pid=$(cat "$1/pids/$2" 2>/dev/null) && [ -n "$pid" ] || return 1
	tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -e "$1/" || return 1
	echo "$pid"
}

# servers_spawned DIR NAME: what was just started is still there, its exec done or not.
servers_spawned() {
	# its state, because its command line is empty for a moment within exec
	case $(sed 's/.*) //' "/proc/$(cat "$1/pids/$2" 2>/dev/null)/stat" 2>/dev/null) in '' | [ZX]*) return 1 ;; esac
}

servers_init() {
	local dir=$1 sub

	case $dir in /*) ;; *) servers_die "the servers' folder must be an absolute path" ;; esac
	servers_check_programs
	servers_account
	mkdir -p "$dir" || servers_die "cannot make $dir"
	[ -O "$dir" ] || servers_die "$dir belongs to another user; use that account or remove the folder"
	for sub in pids ports log conf data; do
		mkdir -p -m 0755 "$dir/$sub"
	done
	for sub in $SERVERS_ALL; do
		[ -d "$dir/data/$sub" ] && continue
		mkdir -m 0700 "$dir/data/$sub"
		servers_give "$dir/data/$sub"
	done
	servers_as test -x "$dir/data/redis" ||
		servers_die "the account $SERVERS_ACCOUNT cannot reach $dir (a parent folder is closed to it)"
	if [ ! -s "$dir/secrets" ]; then
		(
			umask 077
			echo "SERVERS_PG_PASSWORD=$(servers_random)"
			echo "SERVERS_REDIS_PASSWORD=$(servers_random)"
			echo "SERVERS_NATS_PASSWORD=$(servers_random)"
			echo "SERVERS_NATS_SYS_PASSWORD=$(servers_random)"
		) >"$dir/secrets.new"
		chmod 0600 "$dir/secrets.new"
		mv "$dir/secrets.new" "$dir/secrets"
	fi
	. "$dir/secrets"
	servers_socket_dir "$dir"
	[ -s "$dir/data/postgres/PG_VERSION" ] || servers_initdb "$dir"
}

# A Unix socket's path has at most 107 bytes, and a work tree may lie deep.
servers_socket_dir() {
	local dir=$1

	SERVERS_SOCKET_DIR=$dir/data/sock
	if [ ${#dir} -gt 70 ]; then
		SERVERS_SOCKET_DIR=/tmp/pb-sock-$(printf %s "$dir" | sha256sum | cut -c1-16)
	fi
	[ -d "$SERVERS_SOCKET_DIR" ] && return 0
	mkdir -m 0755 "$SERVERS_SOCKET_DIR" || servers_die "cannot make $SERVERS_SOCKET_DIR"
	servers_give "$SERVERS_SOCKET_DIR"
}

servers_initdb() {
	local dir=$1 pwfile=$1/conf/initdb-password

	servers_private_file "$pwfile" <<<"$SERVERS_PG_PASSWORD"
	# an initdb that was interrupted leaves a folder it would refuse
	find "$dir/data/postgres" -mindepth 1 -delete
	if ! (cd / && servers_as "$SERVERS_PG_BIN/initdb" -D "$dir/data/postgres" -U postgres \
		--pwfile="$pwfile" --auth=scram-sha-256 --data-checksums --encoding=UTF8 \
		--locale=C.UTF-8) >"$dir/log/initdb.log" 2>&1; then
		tail -n 20 "$dir/log/initdb.log" >&2
		rm -f "$pwfile"
		servers_die "initdb failed (see above)"
	fi
	rm -f "$pwfile"
}

# Options of postgres are given on its command line, so that a kept data folder follows the newest ones.
servers_configure_postgres() {
	SERVERS_COMMAND=("$SERVERS_PG_BIN/postgres" -D "$1/data/postgres" -c port="$2"
		-c listen_addresses=127.0.0.1 -c unix_socket_directories="$SERVERS_SOCKET_DIR"
		-c unix_socket_permissions=0777 -c password_encryption=scram-sha-256
		-c max_connections=200 -c shared_buffers=256MB -c fsync=on -c synchronous_commit=on
		-c full_page_writes=on -c log_line_prefix='%m [%p] %u@%d ' -c log_timezone=UTC
		-c log_min_duration_statement=2s -c log_checkpoints=off -c timezone=UTC)
}

# A file with a password in it, for the account alone.
servers_private_file() {
	(umask 077 && cat >"$1")
	servers_give "$1"
}

servers_configure_redis() {
	servers_private_file "$1/conf/redis.conf" <<-END
		bind 127.0.0.1
		port $2
		requirepass $SERVERS_REDIS_PASSWORD
		dir $1/data/redis
		save ""
		appendonly no
		maxmemory 64mb
		maxmemory-policy allkeys-lru
		maxclients 2000
		daemonize no
		set-proc-title no
	END
	SERVERS_COMMAND=("$(servers_program redis-server)" "$1/conf/redis.conf")
}

# The system account needs its own user: without an account of ours clients would be able to see nothing else.
servers_configure_nats() {
	servers_private_file "$1/conf/nats.conf" <<-END
		server_name: "patchbay-$2-${SERVERS_NATS_PASSWORD:0:8}"
		listen: "127.0.0.1:$2"
		max_payload: 65536
		max_connections: 500
		jetstream {
			store_dir: "$1/data/nats"
			max_memory_store: 67108864
			max_file_store: 1073741824
		}
		accounts {
			PATCHBAY {
				jetstream: enabled
				users: [{ user: "patchbay", password: "$SERVERS_NATS_PASSWORD" }]
			}
			\$SYS {
				users: [{ user: "system", password: "$SERVERS_NATS_SYS_PASSWORD" }]
			}
		}
	END
	SERVERS_COMMAND=("$(servers_program nats-server)" -c "$1/conf/nats.conf")
}

# servers_spawn DIR NAME CMD...: start CMD in a session of its own as the servers' account. The pid is exact,
# since everything in front of CMD execs. (Not in a subshell: a tied server would die with it.)
servers_spawn() {
	local dir=$1 name=$2 front=() tied=() pid
	shift 2

	[ -z "$SERVERS_TIED" ] || tied=(--pdeathsig "$([ "$name" = postgres ] && echo INT || echo TERM)")
	if [ "$(id -u)" = 0 ]; then
		front=(setpriv --reuid="$SERVERS_ACCOUNT" --regid="$SERVERS_ACCOUNT" --clear-groups "${tied[@]}")
	elif [ ${#tied[@]} -gt 0 ]; then
		front=(setpriv "${tied[@]}")
	fi
	# env first: changing the user clears the death signal, an ordinary exec keeps it. -C and no "cd / &&",
	# because a list in the background is a subshell, with a pid of its own.
	setsid env -i -C / PATH="$PATH" LC_ALL=C.UTF-8 TZ=UTC HOME=/nonexistent "${front[@]}" "$@" \
		</dev/null >>"$dir/log/$name.log" 2>&1 9>&- &
	pid=$!
	echo "$pid" >"$dir/pids/$name.new" && mv "$dir/pids/$name.new" "$dir/pids/$name"
	disown "$pid" 2>/dev/null || true
}

# Talk to 127.0.0.1:PORT: send TEXT, succeed when a line that contains WANT comes back.
servers_ask() {
	local port=$1 text=$2 want=$3 line i
	(
		exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
		[ -z "$text" ] || printf '%s' "$text" >&3
		for i in 1 2 3; do
			IFS= read -r -t 2 line <&3 || exit 1
			case $line in *"$want"*) exit 0 ;; esac
		done
		exit 1
	) 2>/dev/null
}

servers_ready() {
	case $1 in
	postgres) "$SERVERS_PG_BIN/pg_isready" -q -t 2 -h "$SERVERS_SOCKET_DIR" -p "$2" ;;
	redis) servers_ask "$2" "AUTH $SERVERS_REDIS_PASSWORD"$'\r\nPING\r\n' PONG ;;
	nats) servers_ask "$2" "" "patchbay-$2-${SERVERS_NATS_PASSWORD:0:8}" ;;
	esac
}

# After kill -9 of the postmaster its children end by themselves, soon; some answer one more query before.
servers_wait_backends() {
	local data=$1/data/postgres try cwd busy

	for try in {1..200}; do
		busy=
		for cwd in /proc/[0-9]*/cwd; do
			[ "$(readlink "$cwd" 2>/dev/null)" = "$data" ] && busy=1
		done
		[ -n "$busy" ] || return 0
		sleep 0.05
	done
	servers_die "an older PostgreSQL still uses $data"
}

# Its lock files may name a pid that somebody else has by now, or that nobody has waited for yet: PostgreSQL
# would take it for a living postmaster.
servers_clear_postgres() {
	[ -e "$1/data/postgres/postmaster.pid" ] || return 0
	servers_wait_backends "$1"
	rm -f "$1/data/postgres/postmaster.pid" "$SERVERS_SOCKET_DIR"/.s.PGSQL.*
}

# Start one server on its kept port; another port when somebody else got that one.
servers_start_one() {
	local dir=$1 name=$2 port attempt try from

	servers_pid "$dir" "$name" >/dev/null && return 0
	[ "$name" != postgres ] || servers_clear_postgres "$dir"
	for attempt in {1..10}; do
		port=$(cat "$dir/ports/$name" 2>/dev/null) || port=$(servers_free_port)
		"servers_configure_$name" "$dir" "$port"
		from=$(($(stat -c %s "$dir/log/$name.log" 2>/dev/null || echo 0) + 1))
		servers_spawn "$dir" "$name" "${SERVERS_COMMAND[@]}"
		for try in {1..600}; do
			if servers_ready "$name" "$port" && servers_pid "$dir" "$name" >/dev/null; then
				echo "$port" >"$dir/ports/$name"
				return 0
			fi
			servers_spawned "$dir" "$name" || break
			sleep 0.05
		done
		rm -f "$dir/ports/$name"
		tail -c "+$from" "$dir/log/$name.log" | grep -qiE 'in use|bind' || break
		servers_stop "$dir" "$name"
	done
	tail -n 10 "$dir/log/$name.log" >&2
	servers_stop "$dir" "$name"
	servers_die "$name did not start (its last words are above, all of them in $dir/log/$name.log)"
}

servers_start() {
	local dir=$1 name
	shift

	servers_init "$dir"
	for name in ${*:-$SERVERS_ALL}; do
		servers_start_one "$dir" "$name"
	done
}

# servers_wait_gone PID TENTHS
servers_wait_gone() {
	local i
	for ((i = 0; i < $2 * 2; i++)); do
		# a zombie has an empty command line: it is as gone as can be
		[ -n "$(tr -d '\0' 2>/dev/null <"/proc/$1/cmdline")" ] || return 0
		sleep 0.05
	done
	return 1
}

# servers_end DIR NAME SIGNAL...: each signal in turn, until the process has gone.
servers_end() {
	local dir=$1 name=$2 pid sig
	shift 2

	pid=$(servers_pid "$dir" "$name") || { rm -f "$dir/pids/$name"; return 0; }
	for sig in "$@"; do
		kill -s "$sig" "$pid" 2>/dev/null
		servers_wait_gone "$pid" 150 && break
	done
	rm -f "$dir/pids/$name"
}

servers_stop() {
	local dir=$1 name
	shift

	for name in ${*:-nats redis postgres}; do
		case $name in
		postgres) servers_end "$dir" postgres INT QUIT KILL ;;
		*) servers_end "$dir" "$name" TERM KILL ;;
		esac
	done
}

servers_urls() {
	local dir=$1

	. "$dir/secrets"
	SERVERS_PG_URL="postgresql://postgres:$SERVERS_PG_PASSWORD@127.0.0.1:$(cat "$dir/ports/postgres")/postgres"
	SERVERS_REDIS_URL="redis://:$SERVERS_REDIS_PASSWORD@127.0.0.1:$(cat "$dir/ports/redis")"
	SERVERS_NATS_URL="nats://patchbay:$SERVERS_NATS_PASSWORD@127.0.0.1:$(cat "$dir/ports/nats")"
}
