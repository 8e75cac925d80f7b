/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process itself looks like, read from /proc at each scrape. A host without /proc (a
 * strict sandbox) shows zeros instead of failing.
 */
#include "obs/obs_metrics.h"

#include <dirent.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/base.h"

static struct {
	struct obs_gauge *resident, *fds, *threads, *cpu_ms;
} process;

static size_t read_small(const char *path, char *buf, size_t cap)
{
	pb_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, cap - 1);

	if (n < 0)
		n = 0;
	buf[n] = 0;
	return (size_t)n;
}

/* The number behind "name:\t" in /proc/self/status, in its own unit. */
static int64_t status_field(const char *text, const char *name)
{
	const char *p = strstr(text, name);
	int64_t v = 0;

	if (!p)
		return 0;
	p += strlen(name);
	p += strspn(p, " \t");
	return pb_parse_i64(p, strspn(p, "0123456789"), 0, INT64_MAX, &v) ? v : 0;
}

static int64_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int64_t n = 0;

	if (!d)
		return 0;
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n - 1; /* the directory itself */
}

static void collect_process(void *arg)
{
	char text[8192];

	(void)arg;
	(void)read_small("/proc/self/status", text, sizeof(text));
	obs_gauge_set(process.resident, status_field(text, "\nVmRSS:") * 1024);
	obs_gauge_set(process.threads, status_field(text, "\nThreads:"));
	obs_gauge_set(process.fds, count_fds());
	obs_gauge_set(process.cpu_ms, pb_cpu_us() / PB_USEC_PER_MSEC);
}

void obs_metrics_register_process(void)
{
	const struct obs_label version[] = {{"version", PB_VERSION}, {NULL, NULL}};

	if (process.resident)
		return;
	process.resident = obs_gauge_new("patchbay_process_resident_memory_bytes",
					 "Resident memory of the process.", NULL);
	process.fds = obs_gauge_new("patchbay_process_open_fds", "Open file descriptors.", NULL);
	process.threads = obs_gauge_new("patchbay_process_threads", "Threads.", NULL);
	process.cpu_ms = obs_gauge_new("patchbay_process_cpu_milliseconds",
				       "User and system CPU time used.", NULL);
	obs_gauge_set(obs_gauge_new("patchbay_process_start_time_seconds",
				    "When the process started, seconds since 1970.", NULL),
		      pb_now_us() / PB_USEC_PER_SEC);
	obs_gauge_set(obs_gauge_new("patchbay_build_info", "Always 1; the label says the version.",
				    version),
		      1);
	obs_collector_add(collect_process, &process);
}
