# SPDX-License-Identifier: Apache-2.0
# The host and the demo's upstream in one folder, beside the servers of lib/servers.sh. Source it after that and
# lib/database.sh.
#
#   host_install DIR TREE      programs and connectors, where the host's account can read them
#   host_configure DIR         DIR/patchbay.conf and the files with secrets it names
#   host_run DIR CMD...        patchbay CMD... with that configuration, to its end
#   host_start DIR, host_stop DIR NAME TENTHS, host_url DIR
#   sink_start DIR

# The account may be unable to read the tree it was built in; then it gets copies.
host_install() {
	local dir=$1 tree=$2

	HOST_PROGRAMS=$tree/build/bin HOST_CONNECTORS=$tree/build/plugins HOST_MIGRATIONS=$tree/migrations
	if servers_as test -x "$HOST_PROGRAMS/patchbay" && servers_as test -r "$HOST_MIGRATIONS/README.md" &&
		servers_as test -r "$HOST_CONNECTORS"; then
		return 0
	fi
	rm -rf "$dir/programs.new"
	mkdir -p "$dir/programs.new" || servers_die "cannot write to $dir"
	cp "$HOST_PROGRAMS"/patchbay "$HOST_PROGRAMS"/patchbay-runner "$HOST_PROGRAMS"/patchbay-sink "$dir/programs.new/" &&
		cp -r "$HOST_CONNECTORS" "$dir/programs.new/plugins" &&
		cp -r "$HOST_MIGRATIONS" "$dir/programs.new/migrations" ||
		servers_die "the programs could not be copied to $dir"
	chmod -R a+rX "$dir/programs.new"
	# a running program's file is replaced, not written into
	rm -rf "$dir/programs"
	mv "$dir/programs.new" "$dir/programs"
	HOST_PROGRAMS=$dir/programs HOST_CONNECTORS=$dir/programs/plugins HOST_MIGRATIONS=$dir/programs/migrations
}

host_secret() {
	servers_private_file "$1/keys/$2"
}

# Its kept port, or another one when somebody else has got that meanwhile.
host_port() {
	local dir=$1 name=$2 port

	port=$(cat "$dir/ports/$name" 2>/dev/null)
	if [ -z "$port" ] || { ! servers_pid "$dir" "$name" >/dev/null && host_port_taken "$port"; }; then
		port=$(servers_free_port)
		echo "$port" >"$dir/ports/$name"
	fi
	echo "$port"
}

# Does anybody listen there? (0A is the kernel's word for it.)
host_port_taken() {
	grep -qsE "$(printf ':%04X [0-9A-F]+:0000 0A' "$1")" /proc/net/tcp /proc/net/tcp6
}

host_configure() {
	local dir=$1 port sink role

	mkdir -p "$dir/keys"
	port=$(host_port "$dir" host)
	sink=$(host_port "$dir" sink)
	servers_urls "$dir"
	for role in $DATABASE_ROLES; do
		database_url "$dir" patchbay "$role" | host_secret "$dir" "database_${role}_url"
	done
	echo "$SERVERS_REDIS_URL" | host_secret "$dir" redis_url
	echo "$SERVERS_NATS_URL" | host_secret "$dir" nats_url
	[ -s "$dir/keys/master_key" ] ||
		echo "kek_dev:$(head -c 32 /dev/urandom | base64)" | host_secret "$dir" master_key
	cat >"$dir/patchbay.conf" <<-END
		# Written by scripts/quickstart at every start; patchbay check-config --list explains each line.
		environment = development
		listen = 127.0.0.1:$port
		public_url = http://127.0.0.1:$port
		http_connections_per_ip = 2000
		database_api_url_file = $dir/keys/database_api_url
		database_engine_url_file = $dir/keys/database_engine_url
		database_admin_url_file = $dir/keys/database_admin_url
		database_migrate_url_file = $dir/keys/database_migrate_url
		redis_url_file = $dir/keys/redis_url
		nats_url_file = $dir/keys/nats_url
		master_key_file = $dir/keys/master_key
		migrations_dir = $HOST_MIGRATIONS
		connector_dir = $HOST_CONNECTORS
		runner_path = $HOST_PROGRAMS/patchbay-runner
		# the demo's upstream is on this machine
		egress_allow = 127.0.0.1/32
		egress_ports = 80, 443, 8080, 8443, $sink
	END
	# bench and tests add settings of their own
	[ ! -s "$dir/patchbay.conf.extra" ] || cat "$dir/patchbay.conf.extra" >>"$dir/patchbay.conf"
}

host_run() {
	local dir=$1
	shift

	(cd / && servers_as "$HOST_PROGRAMS/patchbay" "$@" --config "$dir/patchbay.conf") \
		</dev/null >"$dir/log/$1.log" 2>&1 && return 0
	tail -n 20 "$dir/log/$1.log" >&2
	servers_die "patchbay $1 failed (see above)"
}

# The first keys, as files that only their owner may read.
host_bootstrap() {
	local dir=$1

	[ -s "$dir/keys/owner_key" ] && [ -s "$dir/keys/admin_key" ] && return 0
	mkdir -p "$dir/keys/new" && servers_give "$dir/keys/new" && chmod 0700 "$dir/keys/new"
	host_run "$dir" bootstrap --out "$dir/keys/new"
	mv "$dir/keys/new/admin_key" "$dir/keys/new/owner_key" "$dir/keys/" && rmdir "$dir/keys/new" ||
		servers_die "patchbay bootstrap has not written its keys"
}

host_url() {
	echo "http://127.0.0.1:$(cat "$1/ports/host")"
}

# Waits until PATH at PORT answers 200, for as long as the process lives.
host_wait_ready() {
	local dir=$1 name=$2 path=$3 port try

	port=$(cat "$dir/ports/$name")
	for try in {1..1200}; do
		servers_ask "$port" "GET $path HTTP/1.1"$'\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' " 200 " &&
			return 0
		servers_spawned "$dir" "$name" || return 1
		sleep 0.05
	done
	return 1
}

# host_start_one DIR NAME READY-PATH CMD...: start it and wait until it answers; nothing to do when it does.
host_start_one() {
	local dir=$1 name=$2 path=$3
	shift 3

	if servers_pid "$dir" "$name" >/dev/null; then
		host_wait_ready "$dir" "$name" "$path" && return 0
		host_stop "$dir" "$name" 50
	fi
	servers_spawn "$dir" "$name" "$@"
	host_wait_ready "$dir" "$name" "$path" && return 0
	tail -n 10 "$dir/log/$name.log" >&2
	host_stop "$dir" "$name" 50
	# next time on another port, if that was the trouble
	! tail -n 10 "$dir/log/$name.log" | grep -qiE 'in use|bind' || rm -f "$dir/ports/$name"
	servers_die "$name did not start (its last words are above, all of them in $dir/log/$name.log)"
}

# What a running host was started with: programs, configuration, addresses.
host_stamp() {
	(cd "$1" && stat -c %Y "$HOST_PROGRAMS/patchbay" "$HOST_PROGRAMS/patchbay-runner" "$HOST_CONNECTORS"/*/*.so &&
		cat patchbay.conf keys/*_url keys/master_key) | sha256sum
}

host_start() {
	local stamp

	stamp=$(host_stamp "$1")
	if [ "$stamp" != "$(cat "$1/conf/host.stamp" 2>/dev/null)" ]; then
		host_stop "$1" host 450
		echo "$stamp" >"$1/conf/host.stamp"
	fi
	host_start_one "$1" host /ready "$HOST_PROGRAMS/patchbay" serve --config "$1/patchbay.conf"
}

sink_start() {
	local dir=$1 port

	port=$(host_port "$dir" sink)
	[ -d "$dir/data/sink" ] || { mkdir -p "$dir/data/sink" && servers_give "$dir/data/sink"; }
	host_start_one "$dir" sink /__health "$HOST_PROGRAMS/patchbay-sink" --listen "127.0.0.1:$port" \
		--journal "$dir/data/sink/journal"
}

# host_stop DIR NAME TENTHS: ask, give it that many tenths of a second, then end it.
host_stop() {
	local dir=$1 name=$2 pid

	if pid=$(servers_pid "$dir" "$name"); then
		kill -TERM "$pid" 2>/dev/null
		servers_wait_gone "$pid" "$3" || kill -KILL "$pid" 2>/dev/null
		servers_wait_gone "$pid" 50
	fi
	rm -f "$dir/pids/$name"
}
