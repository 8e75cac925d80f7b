/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What patchbay-sink received: a ring of records in memory, call counts per idempotency key, and a
 * journal file that outlives the process, so that a test can compare what was sent with what the
 * host recorded. A record is rendered to its JSON line once; the journal and /__requests use the
 * same bytes.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <ctype.h>

/* out of memory for a counter: give up, as base does */
#define uthash_fatal(msg) abort()
#include <uthash.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/base.h"

/* A body longer than this is cut in its record (body_bytes tells the truth). */
#define RECORD_BODY_BYTES (256u * 1024)
/* The ring also ends at this many bytes, so that large bodies do not fill memory. */
#define RING_BYTES (256u * 1024 * 1024)
#define MAX_KEYS   2000000u

struct call_count {
	UT_hash_handle hh;
	uint64_t n;
	char key[];
};

struct record {
	char *line; /* with its '\n' */
	size_t len;
};

/* Invariant: the newest record has number `next_seq - 1` and lies at ring[(next_seq - 1) %
 * ring_max]. */
static struct {
	struct record *ring;
	uint64_t ring_max, ring_len, ring_bytes, next_seq;
	struct call_count *keys;
	uint64_t n_keys, n_repeated;
	int journal_fd;
	bool sync_each, unsynced, failed;
} sink = {.journal_fd = -1, .next_seq = 1};

bool sink_record_open(const struct sink_record_options *opt)
{
	sink.ring_max = opt->ring_max;
	sink.sync_each = opt->sync_each;
	sink.ring = pb_xcalloc(opt->ring_max, sizeof(*sink.ring));
	if (!opt->journal)
		return true;
	sink.journal_fd = open(opt->journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return sink.journal_fd >= 0;
}

static void drop_oldest(void)
{
	struct record *r = &sink.ring[(sink.next_seq - sink.ring_len) % sink.ring_max];

	sink.ring_bytes -= r->len;
	free(r->line);
	r->line = NULL;
	sink.ring_len--;
}

void sink_record_reset(void)
{
	struct call_count *c, *tmp;

	while (sink.ring_len > 0)
		drop_oldest();
	HASH_ITER(hh, sink.keys, c, tmp)
	{
		HASH_DEL(sink.keys, c);
		free(c);
	}
	sink.next_seq = 1;
	sink.n_keys = sink.n_repeated = 0;
}

void sink_record_close(void)
{
	(void)sink_record_sync();
	sink_record_reset();
	free(sink.ring);
	sink.ring = NULL;
	if (sink.journal_fd >= 0)
		close(sink.journal_fd);
	sink.journal_fd = -1;
}

uint64_t sink_record_call(const struct sink_request *req)
{
	struct pb_slice k = req->key.len > 0 ? req->key : req->path;
	struct call_count *c = NULL;

	HASH_FIND(hh, sink.keys, k.p, k.len, c);
	if (!c && sink.n_keys >= MAX_KEYS)
		return 1;
	if (!c) {
		c = pb_xcalloc(1, sizeof(*c) + k.len + 1);
		memcpy(c->key, k.p, k.len);
		HASH_ADD_KEYPTR(hh, sink.keys, c->key, k.len, c);
		sink.n_keys++;
	} else if (req->key.len > 0) {
		sink.n_repeated++;
	}
	return ++c->n;
}

static void write_headers(struct pb_jw *w, const struct sink_request *req)
{
	char name[128];

	pb_jw_key(w, "headers");
	pb_jw_object(w);
	for (size_t i = 0; i < req->n_headers; i++) {
		const struct sink_header *h = &req->headers[i];
		size_t n = PB_MIN(h->name.len, sizeof(name) - 1);

		for (size_t k = 0; k < n; k++)
			name[k] = (char)tolower((unsigned char)h->name.p[k]);
		name[n] = '\0';
		pb_jw_key(w, name);
		pb_jw_strn(w, h->value.p, h->value.len);
	}
	pb_jw_end(w);
}

static void write_slice(struct pb_jw *w, const char *key, struct pb_slice s)
{
	pb_jw_key(w, key);
	if (s.p)
		pb_jw_strn(w, s.p, s.len);
	else
		pb_jw_null(w);
}

static void render(struct pb_buf *b, const struct sink_request *req, int status)
{
	struct pb_slice body = req->body;
	struct pb_jw w;

	pb_jw_init(&w, b);
	pb_jw_object(&w);
	pb_jw_key(&w, "seq");
	pb_jw_int(&w, (int64_t)sink.next_seq);
	pb_jw_key(&w, "at");
	pb_jw_time(&w, pb_now_us());
	write_slice(&w, "method", req->method);
	write_slice(&w, "path", req->path);
	write_slice(&w, "query", req->query);
	write_slice(&w, "idempotency_key", req->key);
	pb_jw_key(&w, "status");
	pb_jw_int(&w, status);
	write_headers(&w, req);
	pb_jw_key(&w, "body_bytes");
	pb_jw_int(&w, (int64_t)body.len);
	body.len = PB_MIN(body.len, RECORD_BODY_BYTES);
	write_slice(&w, "body", body.p ? body : PB_SLICE(""));
	pb_jw_end(&w);
	pb_buf_addc(b, '\n');
}

/* One write a record: with O_APPEND a reader never sees half a line of a living process. */
static bool journal(const struct record *r)
{
	ssize_t n;

	if (sink.journal_fd < 0)
		return true;
	if (sink.failed)
		return false;
	do {
		n = write(sink.journal_fd, r->line, r->len);
	} while (n < 0 && errno == EINTR);
	sink.unsynced = true;
	sink.failed = n != (ssize_t)r->len;
	return !sink.failed;
}

bool sink_record_add(const struct sink_request *req, int status)
{
	struct pb_buf b = PB_BUF_INIT;
	struct record r = {NULL, 0};

	pb_buf_reserve(&b, req->total_bytes + 1024);
	render(&b, req, status);
	r.line = pb_buf_steal(&b, &r.len);
	if (!journal(&r)) {
		free(r.line);
		return false;
	}
	while (sink.ring_len == sink.ring_max ||
	       (sink.ring_len > 0 && sink.ring_bytes + r.len > RING_BYTES))
		drop_oldest();
	sink.ring[sink.next_seq % sink.ring_max] = r;
	sink.ring_len++;
	sink.ring_bytes += r.len;
	sink.next_seq++;
	return true;
}

bool sink_record_sync(void)
{
	if (!sink.sync_each || !sink.unsynced)
		return true;
	sink.unsynced = false;
	/* for good: what a failed sync may have lost, a later one does not bring back */
	sink.failed = fdatasync(sink.journal_fd) != 0;
	return !sink.failed;
}

/* {"requests":[...],"next":N}: ask again with since=N for what comes later. */
void sink_record_list(struct pb_buf *out, uint64_t since, uint64_t limit)
{
	uint64_t first = PB_MAX(since + 1, sink.next_seq - sink.ring_len);
	uint64_t seq, n = 0;

	pb_buf_adds(out, "{\"requests\":[");
	for (seq = first; seq < sink.next_seq && n < limit; seq++, n++) {
		const struct record *r = &sink.ring[seq % sink.ring_max];

		if (n > 0)
			pb_buf_addc(out, ',');
		pb_buf_add(out, r->line, r->len - 1);
	}
	pb_buf_addf(out, "],\"next\":%llu}", (unsigned long long)(seq > since ? seq - 1 : since));
}

void sink_record_count(struct pb_buf *out)
{
	pb_buf_addf(out, "{\"requests\":%llu,\"keys\":%llu,\"repeated\":%llu,\"kept\":%llu}",
		    (unsigned long long)(sink.next_seq - 1), (unsigned long long)sink.n_keys,
		    (unsigned long long)sink.n_repeated, (unsigned long long)sink.ring_len);
}
