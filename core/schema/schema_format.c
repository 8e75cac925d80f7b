/* SPDX-License-Identifier: Apache-2.0 */
/* The formats that assert: uri (RFC 3986, absolute), email (RFC 5321 mailbox without quotes or literals),
 * date-time and uuid (base's parsers). Plain scans, no backtracking. */
#include "schema/schema_node.h"

#include "base/id.h"
#include "base/parse.h"
#include "base/base.h"

#define EMAIL_BYTES 254
#define LOCAL_BYTES 64
#define LABEL_BYTES 63

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_alpha(c) || is_digit(c);
}

static bool one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static bool is_hex(char c)
{
	return is_digit(c) || one_of(c, "abcdefABCDEF");
}

/* Characters of a path, query or fragment; @more names further ones. Percent signs need two hex digits. */
static bool uri_chars(const char *s, size_t n, const char *more)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '%') {
			if (n - i < 3 || !is_hex(s[i + 1]) || !is_hex(s[i + 2]))
				return false;
			i += 2;
		} else if (!is_alnum(s[i]) && !one_of(s[i], "-._~!$&'()*+,;=") &&
			   !one_of(s[i], more)) {
			return false;
		}
	}
	return true;
}

static bool host_and_port(const char *s, size_t n)
{
	const char *colon;

	if (n && s[0] == '[') {
		const char *end = memchr(s, ']', n);

		if (!end || end == s + 1 || !uri_chars(s + 1, (size_t)(end - s - 1), ":"))
			return false;
		n -= (size_t)(end + 1 - s);
		s = end + 1;
		if (n && *s != ':')
			return false;
	}
	colon = memchr(s, ':', n);
	if (!colon)
		return uri_chars(s, n, "");
	for (const char *p = colon + 1; p < s + n; p++)
		if (!is_digit(*p))
			return false;
	return uri_chars(s, (size_t)(colon - s), "");
}

static bool authority(const char *s, size_t n)
{
	const char *at = memrchr(s, '@', n);

	if (!at)
		return host_and_port(s, n);
	return uri_chars(s, (size_t)(at - s), ":") &&
	       host_and_port(at + 1, n - (size_t)(at + 1 - s));
}

/* Cuts at the first @mark and returns what is behind it, or an empty slice. */
static struct pb_slice cut_at(struct pb_slice *s, char mark)
{
	const char *at = s->len ? memchr(s->p, mark, s->len) : NULL;
	struct pb_slice rest = {NULL, 0};

	if (!at)
		return rest;
	rest = pb_slice(at + 1, s->len - (size_t)(at + 1 - s->p));
	s->len = (size_t)(at - s->p);
	return rest;
}

bool schema_format_is_uri(const char *s, size_t n)
{
	struct pb_slice rest, query, fragment;
	size_t i = 0;

	if (n == 0 || !is_alpha(s[0]))
		return false;
	while (i < n && (is_alnum(s[i]) || one_of(s[i], "+-.")))
		i++;
	if (i == n || s[i] != ':')
		return false;
	rest = pb_slice(s + i + 1, n - i - 1);
	fragment = cut_at(&rest, '#');
	query = cut_at(&rest, '?');
	if (!uri_chars(fragment.p, fragment.len, ":@/?") || !uri_chars(query.p, query.len, ":@/?"))
		return false;
	if (rest.len >= 2 && rest.p[0] == '/' && rest.p[1] == '/') {
		const char *slash = memchr(rest.p + 2, '/', rest.len - 2);
		size_t len = slash ? (size_t)(slash - rest.p - 2) : rest.len - 2;

		if (!authority(rest.p + 2, len))
			return false;
		rest = pb_slice(rest.p + 2 + len, rest.len - 2 - len);
	}
	return uri_chars(rest.p, rest.len, ":@/");
}

/* Parts between dots, none of them empty. */
static bool dotted(const char *s, size_t n, size_t max_part, bool (*ok)(char))
{
	size_t part = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.') {
			if (part == 0)
				return false;
			part = 0;
		} else if (!ok(s[i]) || ++part > max_part) {
			return false;
		}
	}
	return part > 0;
}

static bool local_char(char c)
{
	/* everything that is not ASCII is allowed by RFC 6531 */
	return is_alnum(c) || one_of(c, "!#$%&'*+-/=?^_`{|}~") || (signed char)c < 0;
}

static bool domain_char(char c)
{
	return is_alnum(c) || c == '-' || (signed char)c < 0;
}

bool schema_format_is_email(const char *s, size_t n)
{
	const char *at = n && n <= EMAIL_BYTES ? memchr(s, '@', n) : NULL;
	size_t local, domain;

	if (!at)
		return false;
	local = (size_t)(at - s);
	domain = n - local - 1;
	if (local > LOCAL_BYTES || !dotted(s, local, LOCAL_BYTES, local_char) ||
	    !dotted(at + 1, domain, LABEL_BYTES, domain_char))
		return false;
	/* a label neither begins nor ends with a hyphen */
	for (const char *p = at + 1; p < s + n; p++)
		if (*p == '-' && (p[-1] == '@' || p[-1] == '.' || p + 1 == s + n || p[1] == '.'))
			return false;
	return true;
}

bool schema_format_ok(enum schema_format f, const char *s, size_t n)
{
	struct pb_uuid id;
	int64_t us;

	switch (f) {
	case SCHEMA_FORMAT_URI:
		return schema_format_is_uri(s, n);
	case SCHEMA_FORMAT_EMAIL:
		return schema_format_is_email(s, n);
	case SCHEMA_FORMAT_DATE_TIME:
		return pb_parse_rfc3339(s, n, &us);
	case SCHEMA_FORMAT_UUID:
		return pb_uuid_parse(s, n, &id);
	case SCHEMA_FORMAT_NONE:
		break;
	}
	return true;
}
