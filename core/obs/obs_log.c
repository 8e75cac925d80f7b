/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log's writer thread. Loggers append whole lines to a bounded buffer; the thread swaps it for
 * an empty one and writes without the lock. A pipe nobody reads stops the writer, never a logger:
 * then the buffer fills and lines are counted instead of kept.
 */
#include "obs/obs_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/lock.h"
#include "obs/obs_log_format.h"
#include "base/base.h"

#define RING_BYTES_DEFAULT (1024 * 1024)
#define WRITE_PATIENCE_US  (2 * PB_USEC_PER_SEC)
/* A write of up to this size does not block on a pipe that poll called writable (POSIX PIPE_BUF).
 */
#define PIPE_CHUNK 4096

PB_LOG_TOPIC("obs.log");

/* Invariant: accepted >= written; both count bytes since the start. */
static struct {
	struct pb_mutex lock;
	struct pb_cond wake;
	struct pb_cond done;
	struct pb_buf filling;
	uint64_t accepted_bytes, written_bytes;
	bool stopping;
	bool running;
	pthread_t thread;
	int fd;
	bool owns_fd;
	char *path;
	char *service_name, *instance;
	struct obs_log_common common;
} sink;

static _Atomic uint64_t dropped;
static _Atomic bool reopen_wanted;

static int open_path(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
}

static void accept_line(const struct pb_buf *line)
{
	pb_lock(&sink.lock);
	if (sink.stopping || !pb_buf_add(&sink.filling, line->p, line->len)) {
		sink.filling.overflow = false;
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
	} else {
		sink.accepted_bytes += line->len;
		pb_cond_signal(&sink.wake);
	}
	pb_unlock(&sink.lock);
}

static void on_record(const struct pb_log_record *rec, void *arg)
{
	pb_auto_buf line;

	(void)arg;
	pb_buf_init(&line, 0);
	obs_log_format(&line, &sink.common, pb_now_us(), rec);
	accept_line(&line);
}

static bool wait_writable(int64_t deadline_us)
{
	struct pollfd p = {.fd = sink.fd, .events = POLLOUT};

	for (;;) {
		int64_t left = deadline_us - pb_mono_us();
		int n = poll(&p, 1, left > 0 ? (int)(left / 1000) + 1 : 0);

		if (n > 0)
			return (p.revents & (POLLERR | POLLNVAL)) == 0;
		if (n == 0 || errno != EINTR)
			return false;
	}
}

static uint64_t count_lines(const char *p, size_t n)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += p[i] == '\n';
	return lines;
}

/* Bytes that went out; less than @n when nobody reads, or the disk is full. */
static size_t write_some(const char *p, size_t n)
{
	struct stat st;
	bool is_file = fstat(sink.fd, &st) == 0 && S_ISREG(st.st_mode);
	size_t done = 0;

	while (done < n) {
		size_t chunk = is_file ? n - done : PB_MIN(n - done, (size_t)PIPE_CHUNK);
		ssize_t w = 0;

		if (!is_file && !wait_writable(pb_mono_us() + WRITE_PATIENCE_US))
			break;
		w = write(sink.fd, p + done, chunk);
		if (w < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (w <= 0)
			break;
		done += (size_t)w;
	}
	return done;
}

static void reopen_if_wanted(void)
{
	int fd = -1;

	if (!atomic_exchange(&reopen_wanted, false) || !sink.path)
		return;
	fd = open_path(sink.path);
	if (fd < 0)
		return; /* the old file is better than none; the next request tries again */
	(void)dup3(fd, sink.fd, O_CLOEXEC);
	(void)close(fd);
}

/* Says in the log itself how many lines it lost since it last said so. */
static void report_drops(uint64_t *seen)
{
	uint64_t now = atomic_load(&dropped);
	pb_auto_buf line;

	pb_buf_init(&line, 0);
	if (now == *seen)
		return;
	const struct pb_kv kv[] = {PB_KV_INT("patchbay.log.dropped", (int64_t)(now - *seen))};
	const struct pb_log_record rec = {PB_LOG_WARN, pb_log_topic_,
					  "log lines were dropped, going on", kv, 1};

	obs_log_format(&line, &sink.common, pb_now_us(), &rec);
	if (write_some(line.p, line.len) == line.len)
		*seen = now;
}

/* The lines so far, leaving @spare in their place. False when the sink is stopping and all is
 * written. */
static bool take_lines(struct pb_buf *spare)
{
	struct pb_buf full;
	bool more = true;

	pb_lock(&sink.lock);
	if (sink.filling.len == 0 && !sink.stopping)
		(void)pb_cond_wait_until(&sink.wake, &sink.lock, pb_mono_us() + PB_USEC_PER_SEC);
	full = sink.filling;
	sink.filling = *spare;
	*spare = full;
	more = full.len > 0 || !sink.stopping;
	pb_unlock(&sink.lock);
	return more;
}

static void mark_written(size_t n)
{
	pb_lock(&sink.lock);
	sink.written_bytes += n;
	pb_cond_broadcast(&sink.done);
	pb_unlock(&sink.lock);
}

static void *writer_main(void *arg)
{
	size_t limit = sink.filling.limit;
	struct pb_buf mine;
	uint64_t seen = 0;

	(void)arg;
	pb_buf_init(&mine, limit);
	while (take_lines(&mine)) {
		size_t out = 0;

		reopen_if_wanted();
		if (mine.len > 0)
			out = write_some(mine.p, mine.len);
		if (out < mine.len)
			atomic_fetch_add(&dropped, count_lines(mine.p + out, mine.len - out));
		mark_written(mine.len);
		pb_buf_clear(&mine);
		report_drops(&seen);
	}
	pb_buf_done(&mine);
	return NULL;
}

enum pb_status obs_log_start(const struct obs_log_cfg *cfg, struct pb_err *err)
{
	bool to_file = cfg->path && *cfg->path;
	int fd = to_file ? open_path(cfg->path) : STDERR_FILENO;

	PB_ASSERT(!sink.running);
	if (fd < 0)
		return pb_err_set(err, PB_E_UNAVAILABLE, "log.open",
				  "the log file cannot be opened for appending");
	pb_mutex_init(&sink.lock, "obs.log", PB_LOCK_RANK(1, 90));
	pb_cond_init(&sink.wake);
	pb_cond_init(&sink.done);
	pb_buf_init(&sink.filling, cfg->ring_bytes ? cfg->ring_bytes : RING_BYTES_DEFAULT);
	sink.accepted_bytes = sink.written_bytes = 0;
	sink.stopping = false;
	sink.fd = fd;
	sink.owns_fd = to_file;
	sink.path = to_file ? pb_xstrdup(cfg->path) : NULL;
	sink.service_name = pb_xstrdup(cfg->service_name ? cfg->service_name : "patchbay");
	sink.instance = cfg->instance ? pb_xstrdup(cfg->instance) : NULL;
	sink.common = (struct obs_log_common){sink.service_name, sink.instance, (int)getpid()};
	sink.running = true;
	sink.thread = pb_thread_start("log", 256 * 1024, writer_main, NULL);
	pb_log_set_level(cfg->level);
	pb_log_set_sink(on_record, NULL);
	return PB_OK;
}

void obs_log_reopen(void)
{
	atomic_store(&reopen_wanted, true);
}

bool obs_log_flush(int64_t timeout_us)
{
	int64_t deadline = pb_mono_us() + timeout_us;
	bool in_time = true;
	uint64_t goal = 0;

	if (!sink.running)
		return true;
	pb_lock(&sink.lock);
	goal = sink.accepted_bytes;
	while (sink.written_bytes < goal && in_time)
		in_time = pb_cond_wait_until(&sink.done, &sink.lock, deadline);
	in_time = sink.written_bytes >= goal;
	pb_unlock(&sink.lock);
	return in_time;
}

uint64_t obs_log_dropped(void)
{
	return atomic_load(&dropped);
}

void obs_log_stop(void)
{
	if (!sink.running)
		return;
	pb_log_set_sink(NULL, NULL);
	pb_lock(&sink.lock);
	sink.stopping = true;
	pb_cond_signal(&sink.wake);
	pb_unlock(&sink.lock);
	pb_thread_join(sink.thread);
	sink.running = false;
	pb_buf_done(&sink.filling);
	if (sink.owns_fd)
		(void)close(sink.fd);
	free(pb_steal(sink.path));
	free(pb_steal(sink.service_name));
	free(pb_steal(sink.instance));
	pb_cond_done(&sink.wake);
	pb_cond_done(&sink.done);
	pb_mutex_done(&sink.lock);
}
