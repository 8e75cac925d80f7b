/* SPDX-License-Identifier: Apache-2.0 */
/* See egress_url.h. The surprising part: curl_url() accepts "http:/host", so the text is checked first. */
#include "egress/egress_url.h"

#include <curl/curl.h>
#include <strings.h>
#include "base/parse.h"
#include "egress/egress.h"
#include "base/base.h"

#define QUERY_VALUE_MAX 8192

static enum pb_status invalid(struct pb_err *err, const char *why)
{
	return pb_err_set(err, PB_E_INVALID, "egress.url_invalid", "the URL %s", why);
}

static void curl_text_free(char **s)
{
	curl_free(*s);
}
#define auto_curl pb_cleanup(curl_text_free) char *

/* "http", "https" or something else before "://". */
static enum pb_status check_scheme(const char *url, struct pb_err *err)
{
	size_t n = strcspn(url, ":/?#");

	if (url[n] != ':')
		return invalid(err, "is not absolute");
	if (!(n == 4 && strncasecmp(url, "http", 4) == 0) &&
	    !(n == 5 && strncasecmp(url, "https", 5) == 0))
		return pb_err_set(err, PB_E_INVALID, "egress.scheme",
				  "only http and https addresses can be called");
	if (strncmp(url + n, "://", 3) != 0 || url[n + 3] == '/')
		return invalid(err, "has no host");
	return PB_OK;
}

static enum pb_status check_text(const char *url, struct pb_err *err)
{
	size_t n = strlen(url);

	if (n > EGRESS_URL_MAX)
		return invalid(err, "is too long");
	for (size_t i = 0; i < n; i++)
		if (url[i] <= ' ' || url[i] >= 0x7f || url[i] == '\\')
			return invalid(err, "has a character that must be percent-encoded");
	return PB_OK;
}

static enum pb_status check_authority(const char *url, struct pb_err *err)
{
	const char *at = strstr(url, "://") + 3;
	size_t n = strcspn(at, "/?#");

	if (n == 0)
		return invalid(err, "has no host");
	if (memchr(at, '@', n))
		return invalid(err, "must not hold a user or password");
	if (memchr(at, '%', n))
		return invalid(err, "has a percent sign in its host");
	return PB_OK;
}

static bool copy_host(struct egress_url *u)
{
	auto_curl host = NULL;
	size_t n;

	if (curl_url_get(u->parts, CURLUPART_HOST, &host, 0) || !host || !*host)
		return false;
	n = strlen(host);
	if (host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = 0;
		if (!pb_str_copy(u->host, sizeof(u->host), host + 1))
			return false;
	} else if (!pb_str_copy(u->host, sizeof(u->host), host)) {
		return false;
	}
	for (char *c = u->host; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + ('a' - 'A'));
	return true;
}

/* Takes over the parts of u->parts that decisions are made on. */
static enum pb_status read_parts(struct egress_url *u, struct pb_err *err)
{
	auto_curl scheme = NULL;
	auto_curl port = NULL;
	auto_curl user = NULL;
	int64_t number;

	if (curl_url_get(u->parts, CURLUPART_SCHEME, &scheme, 0))
		return invalid(err, "has no scheme");
	u->https = strcasecmp(scheme, "https") == 0;
	if (!u->https && strcasecmp(scheme, "http") != 0)
		return pb_err_set(err, PB_E_INVALID, "egress.scheme",
				  "only http and https addresses can be called");
	if (curl_url_get(u->parts, CURLUPART_USER, &user, 0) == CURLUE_OK)
		return invalid(err, "must not hold a user or password");
	if (!copy_host(u))
		return invalid(err, "has no usable host");
	if (curl_url_get(u->parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
	    !pb_parse_i64(port, strlen(port), 1, 65535, &number))
		return invalid(err, "has no usable port");
	u->port = (uint16_t)number;
	if (curl_url_set(u->parts, CURLUPART_FRAGMENT, NULL, 0))
		return invalid(err, "cannot be read");
	return PB_OK;
}

enum pb_status egress_url_parse(struct egress_url *ret, const char *url, struct pb_err *err)
{
	enum pb_status st = check_text(url, err);

	if (st == PB_OK)
		st = check_scheme(url, err);
	if (st == PB_OK)
		st = check_authority(url, err);
	if (st != PB_OK)
		return st;

	ret->parts = curl_url();
	PB_ASSERT(ret->parts);
	if (curl_url_set(ret->parts, CURLUPART_URL, url, 0))
		return invalid(err, "cannot be read");
	return read_parts(ret, err);
}

enum pb_status egress_url_redirect(const struct egress_url *base, const char *location,
				   struct egress_url *ret, struct pb_err *err)
{
	auto_curl whole = NULL;
	CURLU *joined;
	CURLUcode rc;
	enum pb_status st = check_text(location, err);

	if (st != PB_OK)
		return st;

	joined = curl_url_dup(base->parts);
	PB_ASSERT(joined);
	rc = curl_url_set(joined, CURLUPART_URL, location, CURLU_NON_SUPPORT_SCHEME);
	if (rc == CURLUE_OK)
		rc = curl_url_get(joined, CURLUPART_URL, &whole, 0);
	curl_url_cleanup(joined);
	if (rc)
		return invalid(err, "in Location cannot be read");
	return egress_url_parse(ret, whole, err);
}

static bool percent_encode(struct pb_buf *out, const char *s, size_t n)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	bool ok = true;

	for (size_t i = 0; i < n && ok; i++) {
		if (s[i] && strchr(plain, s[i]))
			ok = pb_buf_addc(out, s[i]);
		else
			ok = pb_buf_addf(out, "%%%02X", (unsigned char)s[i]);
	}
	return ok;
}

bool egress_url_add_query(struct egress_url *u, const char *name, const char *value,
			  size_t value_bytes)
{
	const size_t room = 3 * QUERY_VALUE_MAX + 1024; /* never moves: one place to wipe */
	struct pb_buf pair = PB_BUF_INIT;
	CURLUcode rc = CURLUE_OUT_OF_MEMORY;

	if (value_bytes > QUERY_VALUE_MAX || strlen(name) > 128)
		return false;
	pb_buf_init(&pair, room);
	if (pb_buf_reserve(&pair, room - 1) && percent_encode(&pair, name, strlen(name)) &&
	    pb_buf_addc(&pair, '=') && percent_encode(&pair, value, value_bytes))
		rc = curl_url_set(u->parts, CURLUPART_QUERY, pair.p, CURLU_APPENDQUERY);
	if (pair.p)
		explicit_bzero(pair.p, pair.len);
	pb_buf_done(&pair);
	return rc == CURLUE_OK;
}

char *egress_url_text(const struct egress_url *u)
{
	auto_curl whole = NULL;
	CURLU *copy;
	char *text = NULL;

	if (!u->parts)
		return pb_xstrdup("");
	copy = curl_url_dup(u->parts);
	PB_ASSERT(copy);
	if (!curl_url_set(copy, CURLUPART_QUERY, NULL, 0) &&
	    !curl_url_get(copy, CURLUPART_URL, &whole, 0))
		text = pb_xstrdup(whole);
	curl_url_cleanup(copy);
	return text ? text : pb_xstrdup("");
}

bool egress_url_same_origin(const struct egress_url *a, const struct egress_url *b)
{
	return a->https == b->https && a->port == b->port && strcmp(a->host, b->host) == 0;
}

void egress_url_done(struct egress_url *u)
{
	curl_url_cleanup(u->parts);
	u->parts = NULL;
}

static bool host_matches(const char *host, const char *pattern, bool any_ok)
{
	size_t n = strlen(host), m;

	if (strcmp(pattern, "*") == 0)
		return any_ok;
	if (!pb_str_starts(pattern, "*."))
		return strcasecmp(host, pattern) == 0;
	m = strlen(pattern + 1); /* ".example.com" */
	return n > m && strcasecmp(host + n - m, pattern + 1) == 0;
}

bool egress_host_matches(const char *host, const char *const *patterns, size_t n, bool any_ok)
{
	for (size_t i = 0; i < n; i++)
		if (host_matches(host, patterns[i], any_ok))
			return true;
	return false;
}
