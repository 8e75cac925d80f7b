/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All HTTP that leaves the host: one thread, one curl multi loop, one policy. Who may be reached is
 * decided on the address that is really connected to, at every hop; redirects are walked here, one
 * request each. The surprising thing: a failed answer says what had been *sent* (egress_sent),
 * because that decides whether a step may be repeated.
 */
#ifndef PB_EGRESS_EGRESS_H
#define PB_EGRESS_EGRESS_H

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct egress;
struct egress_transfer;

#define EGRESS_URL_MAX         16384
#define EGRESS_HEADERS_MAX     100
#define EGRESS_HEADER_BYTES    65536 /* all headers of one request, or of one answer */
#define EGRESS_REDIRECTS_MAX   10
#define EGRESS_CREDENTIALS_MAX 8
/* Refuse an answer that unpacks to more than this many times what came over the wire (past 64 KB).
 */
#define EGRESS_UNPACK_RATIO 200

/* Strings are copied; everything has a default when 0 or NULL. */
struct egress_cfg {
	const char *const *allow; /* CIDR that may be reached although private, "127.0.0.0/8" */
	size_t n_allow;
	const char *const *ports; /* "443", "8000-8999"; none = 80 and 443 */
	size_t n_ports;
	int64_t timeout_us;   /* longest one request may take with all its hops; 60 s */
	int64_t connect_us;   /* 10 s */
	size_t body_bytes;    /* largest answer, unpacked; 8 MB */
	size_t request_bytes; /* largest request body; 8 MB */
	size_t requests_max;  /* submitted and not yet answered; 20,000 */
	size_t per_host_max;  /* connections to one host; 256 */
	size_t idle_connections; /* kept for reuse; 4,096: fewer than are busy at once means closing and opening all the time */
	const char *ca_file;    /* PEM, for on-premises services; NULL = the system's */
	const char *user_agent; /* "Patchbay/<version>" */
};

/*
 * Errors:  PB_E_INVALID egress.config (a CIDR or port range that cannot be read).
 * Owner:   *ret owned, free with egress_free(), which cancels what is under way and calls each
 * done. Threads: [main, before start] for both; egress_free not from a done function.
 */
enum pb_status egress_new(const struct egress_cfg *cfg, struct egress **ret,
			  struct pb_err *err) pb_must_check;
void egress_free(struct egress *e);
PB_DEFINE_AUTOPTR(egress, egress_free);

struct egress_header {
	const char *name, *value;
};

/*
 * A header (or query parameter) that is added only while the destination is one of @hosts, over
 * https or plain http to an address of cfg.allow; dropped for good when a redirect changes host,
 * port or scheme. A header of the same name in the request is replaced. Values are copied into
 * memory that is wiped after the transfer.
 */
struct egress_credential {
	const char *name;
	const char *value;
	size_t value_bytes; /* without NUL, CR and LF, else egress.credential */
	bool in_query;
};

enum egress_flag {
	EGRESS_REPEATABLE =
		1u << 0, /* sending it twice does no harm (idempotency key, safe POST) */
};

struct egress_request {
	const char *method; /* GET, POST, ...: an upper-case token */
	const char *url;    /* absolute, http or https, no user information */
	const struct egress_header *headers;
	size_t n_headers;
	struct pb_slice body; /* p == NULL: none */
	int64_t timeout_us;   /* 0 = cfg */
	size_t body_bytes;    /* largest answer; 0 = cfg */
	uint32_t redirects;   /* hops to follow; 0 = hand the 3xx back */
	uint32_t flags;
	/* Who may be reached: "api.example.com", "*.example.com", "*"; n_hosts 0 = nobody is
	 * refused. */
	const char *const *hosts;
	size_t n_hosts;
	/* Who may get the credentials. Same forms, but "*" alone matches nothing here. */
	const char *const *credential_hosts;
	size_t n_credential_hosts;
	const struct egress_credential *credentials;
	size_t n_credentials;
	const char *idempotency_key; /* recorded for the answer; the caller puts it into a header */
};

/* What may have left for the far side when the request ended, worst hop wins. */
enum egress_sent {
	EGRESS_SENT_NOTHING, /* no byte of a request */
	EGRESS_SENT_SAFE,    /* only GET, HEAD, OPTIONS, TRACE */
	EGRESS_SENT_MAYBE,   /* at least the first byte of another method */
};

/*
 * @status PB_OK: an HTTP answer came, whatever it says. Else @code and @msg say why:
 *	egress.destination_blocked egress.host_not_declared (PB_E_FORBIDDEN), egress.url_invalid
 *	egress.scheme egress.request_invalid egress.credential (PB_E_INVALID), egress.timeout
 *	(PB_E_TIMEOUT), egress.too_large (PB_E_TOO_LARGE), egress.connect egress.busy
 *	(PB_E_UNAVAILABLE), egress.tls egress.redirects egress.protocol (PB_E_UNPROCESSABLE),
 *	egress.cancelled (PB_E_CANCELLED).
 * Everything is borrowed until the done function returns.
 */
struct egress_answer {
	enum pb_status status;
	const char *code;
	const char *msg;
	enum egress_sent sent;
	int http_status;
	const struct egress_header *headers; /* of the last hop, names in lower case */
	size_t n_headers;
	struct pb_slice body;   /* NUL behind its end */
	const char *url;        /* of the last hop, without query */
	const char *address;    /* "127.0.0.1", "" before a connection */
	uint32_t redirects;     /* hops followed */
	bool reused;            /* the last hop found an open connection */
	int64_t retry_after_us; /* from Retry-After, either form; 0 = not said */
	int64_t duration_us;
	const char *idempotency_key;
};

/* Called once, on the egress thread (or inside egress_free); must not block. */
typedef void egress_done_fn(void *arg, const struct egress_answer *answer);

/*
 * Takes a copy of the whole request and starts it. A request that breaks a rule which can be seen
 * at once fails here and @done is not called.
 * Owner:   *ret_transfer (may be NULL) is a reference, egress_transfer_unref().
 * Errors:  PB_E_INVALID / PB_E_FORBIDDEN / PB_E_TOO_LARGE as in egress_answer, PB_E_LIMIT
 * egress.busy. Threads: [any-thread]
 */
enum pb_status egress_submit(struct egress *e, const struct egress_request *req,
			     egress_done_fn *done, void *arg, struct egress_transfer **ret_transfer,
			     struct pb_err *err) pb_must_check;
/* Asks for the end; @done is still called once, maybe with an answer. [any-thread] */
void egress_cancel(struct egress_transfer *t);
void egress_transfer_unref(struct egress_transfer *t);
PB_DEFINE_AUTOPTR(egress_transfer, egress_transfer_unref);
/* What has been sent up to now; exact once @done ran. [any-thread] */
enum egress_sent egress_transfer_sent(const struct egress_transfer *t);

struct egress_stats {
	uint64_t requests;  /* submitted */
	uint64_t answers;   /* ended with an HTTP status */
	uint64_t failures;  /* ended otherwise */
	uint64_t blocked;   /* of these: refused by the destination policy */
	uint64_t cancelled; /* of these: by egress_cancel */
	uint64_t redirects; /* hops followed */
	uint64_t connects;  /* new connections */
	uint64_t reuses;    /* requests on an open one */
	uint64_t bytes_in;  /* unpacked bodies */
	uint64_t bytes_out; /* bodies */
	uint64_t in_flight;
};
void egress_stats(struct egress *e, struct egress_stats *ret); /* [any-thread] */

#endif
