# SPDX-License-Identifier: Apache-2.0
# Installs what is missing from Debian's packages, for every script that needs something. Source it from bash.
#
#   install_needs GROUP...      run | build | test | check | bench | demo
#
# Says once what it installs and why; silent when nothing is missing. Nothing that it installs is started or
# will start at boot: see lib/install-root, the only part that runs as root.

install_die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# install_packages GROUP: its packages; the reason goes with it, because people are told both.
install_packages() {
	case $1 in
	run) echo postgresql-15 redis-server nats-server ca-certificates tzdata ;;
	build)
		echo gcc libc6-dev cmake ninja-build pkg-config libcivetweb-dev libpq-dev libhiredis-dev \
			libnats-dev libsodium-dev libcurl4-openssl-dev libseccomp-dev libpcre2-dev uthash-dev \
			check
		;;
	test) echo curl python3 json-schema-test-suite openssl procps ;;
	check) echo clang clang-tidy clang-format cppcheck valgrind libclang-rt-14-dev ;;
	bench) echo wrk libjansson-dev ;;
	demo) echo python3 curl ;;
	*) install_die "no package group $1" ;;
	esac
}

install_reason() {
	case $1 in
	run) echo "the servers and system data Patchbay runs on" ;;
	build) echo "compiler and libraries it is built with" ;;
	test) echo "tools and test data of its tests" ;;
	check) echo "static and dynamic checkers" ;;
	demo) echo "what drives the demonstration" ;;
	bench) echo "load generator and the library it is compared with" ;;
	esac
}

install_missing() {
	local package

	for package in $(install_packages "$1"); do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			echo "$package"
	done
}

install_needs() {
	local group packages all=() lib=${BASH_SOURCE[0]%/*} front=()

	command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
		install_die "this is not Debian: what is needed is listed in scripts/lib/install.sh"
	for group in "$@"; do
		mapfile -t packages < <(install_missing "$group")
		[ ${#packages[@]} -gt 0 ] || continue
		echo "Installing from Debian's packages: ${packages[*]} ($(install_reason "$group"))" >&2
		all+=("${packages[@]}")
	done
	if [ ${#all[@]} -eq 0 ]; then
		# an installation that was killed may have left services forbidden for everybody
		if [ "$(id -u)" = 0 ] && grep -qs 'patchbay.s install-root' /usr/sbin/policy-rc.d; then
			bash "$lib/install-root" --restore
		fi
		return 0
	fi
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			install_die "installing needs root and there is no sudo; as root: apt-get install ${all[*]}"
		front=(sudo)
		# without a terminal sudo must not wait for a password nobody can type
		[ -t 0 ] || front=(sudo -n)
	fi
	"${front[@]}" bash "$lib/install-root" "${all[@]}" </dev/null ||
		install_die "could not install the packages named above; nothing else was changed"
}
