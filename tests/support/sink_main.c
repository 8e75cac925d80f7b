/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patchbay-sink [--listen 127.0.0.1:0] [--port-file F] [--journal F [--journal-sync each|none]]
 * [--ring N] The upstream that tests and the demo call. Ends with status 0 on SIGTERM or SIGINT.
 */
#include "sink.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/parse.h"
#include "base/base.h"

struct options {
	struct sockaddr_in listen;
	const char *port_file;
	struct sink_record_options record;
};

static int complain(const char *what, const char *about)
{
	fprintf(stderr, "patchbay-sink: %s: %s: %m\n", about, what);
	return 1;
}

static bool parse_listen(const char *text, struct sockaddr_in *ret)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	int64_t port = 0;

	if (!colon || (size_t)(colon - text) >= sizeof(host) ||
	    !pb_parse_i64(colon + 1, strlen(colon + 1), 0, 65535, &port))
		return false;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	ret->sin_family = AF_INET;
	ret->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static bool set_option(int opt, const char *value, struct options *o)
{
	int64_t n = 0;

	switch (opt) {
	case 'l':
		return parse_listen(value, &o->listen);
	case 'p':
		o->port_file = value;
		return true;
	case 'j':
		o->record.journal = value;
		return true;
	case 's':
		o->record.sync_each = pb_str_eq(value, "each");
		return o->record.sync_each || pb_str_eq(value, "none");
	case 'r':
		if (!pb_parse_i64(value, strlen(value), 1, 10000000, &n))
			return false;
		o->record.ring_max = (uint64_t)n;
		return true;
	default:
		return false;
	}
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option LONG[] = {{"listen", required_argument, NULL, 'l'},
					     {"port-file", required_argument, NULL, 'p'},
					     {"journal", required_argument, NULL, 'j'},
					     {"journal-sync", required_argument, NULL, 's'},
					     {"ring", required_argument, NULL, 'r'},
					     {NULL, 0, NULL, 0}};
	int opt;

	*o = (struct options){.record = {.sync_each = true, .ring_max = 100000}};
	if (!parse_listen("127.0.0.1:0", &o->listen))
		return false;
	while ((opt = getopt_long(argc, argv, "", LONG, NULL)) != -1)
		if (!set_option(opt, optarg, o))
			return false;
	return optind == argc;
}

static int open_listener(struct sockaddr_in *addr)
{
	pb_autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*addr);
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(fd, (struct sockaddr *)addr, sizeof(*addr)) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)addr, &len) != 0)
		return -1;
	return pb_steal_fd(fd);
}

/* Complete or not there: whoever waits for the file may read it as soon as it exists. */
static bool write_port_file(const char *path, int port)
{
	char tmp[4096];
	FILE *f;

	if (!pb_str_printf(tmp, sizeof(tmp), "%s.new", path) || !(f = fopen(tmp, "we")))
		return false;
	fprintf(f, "%d\n", port);
	return fclose(f) == 0 && rename(tmp, path) == 0;
}

/* SIGTERM and SIGINT as something to read. SIGPIPE cannot come: every send says MSG_NOSIGNAL. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void raise_descriptors(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim); /* fewer connections at once, then */
	}
}

static void run(struct sink_loop *loop, const int *signal_fd)
{
	struct epoll_event events[512];
	bool stop = false;

	while (!stop) {
		int n = epoll_wait(loop->epoll_fd, events, (int)PB_ARRAY_LEN(events),
				   sink_conn_timeout(loop));

		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				sink_conn_accept(loop);
			else if (events[i].data.ptr == signal_fd)
				stop = true;
			else
				sink_conn_event(loop, events[i].data.ptr, events[i].events);
		}
		sink_conn_round(loop);
	}
}

int main(int argc, char **argv)
{
	pb_autoclose int signal_fd = -1;
	struct sink_loop loop = {0};
	struct options o;
	struct epoll_event ev = {.events = EPOLLIN};

	if (!parse_options(argc, argv, &o)) {
		fprintf(stderr, "usage: patchbay-sink [--listen ADDRESS:PORT] [--port-file FILE] "
				"[--journal FILE] [--journal-sync each|none] [--ring N]\n");
		return 2;
	}
	raise_descriptors();
	if (!sink_record_open(&o.record))
		return complain("cannot open", o.record.journal);
	signal_fd = open_signals();
	loop.listen_fd = open_listener(&o.listen);
	loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (signal_fd < 0 || loop.listen_fd < 0 || loop.epoll_fd < 0)
		return complain("failed", "listening");
	pb_list_init(&loop.timers);
	pb_list_init(&loop.dirty);
	pb_list_init(&loop.ready);
	(void)epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, loop.listen_fd, &ev);
	ev.data.ptr = &signal_fd;
	(void)epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, signal_fd, &ev);
	if (o.port_file && !write_port_file(o.port_file, ntohs(o.listen.sin_port)))
		return complain("cannot write", o.port_file);
	printf("patchbay-sink listens on port %d\n", ntohs(o.listen.sin_port));
	(void)fflush(stdout);
	run(&loop, &signal_fd);
	sink_record_close();
	close(loop.epoll_fd);
	close(loop.listen_fd);
	return 0;
}
