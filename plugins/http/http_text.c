/* SPDX-License-Identifier: Apache-2.0 */
/* Forms and header texts for http.c. Everything here works on bytes; no locale is asked. */
#include "http_text.h"

#include <string.h>

static int is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static void percent(struct patchbay_writer *w, const char *s, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";
	char esc[3] = {'%', 0, 0};
	size_t i;

	for (i = 0; i < n; i++) {
		if (is_unreserved(s[i])) {
			patchbay_write_bytes(w, s + i, 1);
			continue;
		}
		esc[1] = hex[(unsigned char)s[i] >> 4];
		esc[2] = hex[(unsigned char)s[i] & 15];
		patchbay_write_bytes(w, esc, 3);
	}
}

/* One name=value. Text is decoded, numbers and booleans keep their source text. */
static int pair(struct patchbay_writer *w, struct patchbay_text key, struct patchbay_text value,
		char *separator)
{
	const char *name, *text = value.ptr;
	size_t name_len, n = value.len;

	switch (patchbay_json_type(value)) {
	case 'n':
		return 1;
	case '"':
		text = patchbay_json_string(w->host, w->call, value, &n);
		break;
	case '0':
	case 't':
	case 'f':
		break;
	default:
		return 0;
	}
	name = patchbay_json_string(w->host, w->call, key, &name_len);
	if (name == NULL || text == NULL)
		return 0;
	if (*separator != 0)
		patchbay_write_bytes(w, separator, 1);
	*separator = '&';
	percent(w, name, name_len);
	patchbay_write_bytes(w, "=", 1);
	percent(w, text, n);
	return 1;
}

int http_form(struct patchbay_writer *w, struct patchbay_text object, char before)
{
	struct patchbay_json_walk walk, items;
	struct patchbay_text key, value, none, item;
	char separator = before;

	patchbay_json_walk_init(&walk, object);
	while (patchbay_json_walk_next(&walk, &key, &value)) {
		if (patchbay_json_type(value) != '[') {
			if (!pair(w, key, value, &separator))
				return 0;
			continue;
		}
		patchbay_json_walk_init(&items, value);
		while (patchbay_json_walk_next(&items, &none, &item))
			if (!pair(w, key, item, &separator))
				return 0;
	}
	return 1;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

int http_same_name(const char *a, const char *b)
{
	while (*a != 0 && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

int http_header_ok(const char *name, const char *value)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (*name == 0 || strspn(name, token) != strlen(name) || strlen(name) > 256)
		return 0;
	for (; *value != 0; value++)
		if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
			return 0;
	return 1;
}

int http_utf8_ok(const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *)bytes;
	size_t i = 0, n, k;

	while (i < len) {
		n = p[i] < 0x80 ? 1u : p[i] >= 0xf0 ? 4u : p[i] >= 0xe0 ? 3u : 2u;
		if ((p[i] >= 0x80 && p[i] < 0xc2) || p[i] > 0xf4 || n > len - i)
			return 0;
		for (k = 1; k < n; k++)
			if ((p[i + k] & 0xc0) != 0x80)
				return 0;
		if ((p[i] == 0xe0 && p[i + 1] < 0xa0) || (p[i] == 0xed && p[i + 1] > 0x9f) ||
		    (p[i] == 0xf0 && p[i + 1] < 0x90) || (p[i] == 0xf4 && p[i + 1] > 0x8f))
			return 0;
		i += n;
	}
	return 1;
}

/* "*.b.example" is any host below b.example. */
static int host_fits(const char *host, size_t n, const char *pattern, size_t n_pattern)
{
	size_t i;

	if (n_pattern > 2 && pattern[0] == '*' && pattern[1] == '.') {
		pattern++;
		n_pattern--;
		if (n <= n_pattern)
			return 0;
		host += n - n_pattern;
		n = n_pattern;
	}
	if (n == 0 || n != n_pattern)
		return 0;
	for (i = 0; i < n; i++)
		if (lower(host[i]) != lower(pattern[i]))
			return 0;
	return 1;
}

int http_host_listed(const char *url, const char *hosts)
{
	static const char between[] = " ,\"[]\t\n";
	const char *host = strstr(url, "://");
	size_t n, n_pattern;

	if (host == NULL)
		return 0;
	host += 3;
	n = strcspn(host, ":/?#");
	for (hosts += strspn(hosts, between); *hosts != 0; hosts += strspn(hosts, between)) {
		n_pattern = strcspn(hosts, between);
		if (host_fits(host, n, hosts, n_pattern))
			return 1;
		hosts += n_pattern;
	}
	return 0;
}
