/* SPDX-License-Identifier: Apache-2.0 */
/* String helpers: comparisons, bounded copies, UTF-8 (RFC 3629) and hex. */
#include "base/str.h"

#include <stdarg.h>
#include <strings.h>

#include "base/base.h"

bool pb_slice_eq(struct pb_slice a, struct pb_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool pb_slice_eq_str(struct pb_slice a, const char *s)
{
	return pb_slice_eq(a, pb_slice_str(s));
}

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool pb_slice_eq_nocase(struct pb_slice a, const char *s)
{
	if (a.len != strlen(s))
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.p[i]) != lower(s[i]))
			return false;
	return true;
}

bool pb_str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool pb_str_starts(const char *s, const char *prefix)
{
	return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool pb_str_ends(const char *s, const char *suffix)
{
	size_t n = s ? strlen(s) : 0, k = strlen(suffix);

	return s && n >= k && memcmp(s + n - k, suffix, k) == 0;
}

bool pb_str_copy(char *dst, size_t cap, const char *src)
{
	size_t n = strlen(src), keep;

	if (cap == 0)
		return false;
	keep = PB_MIN(n, cap - 1);
	memcpy(dst, src, keep);
	dst[keep] = 0;
	return keep == n;
}

bool pb_str_printf(char *dst, size_t cap, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(dst, cap, fmt, ap);
	va_end(ap);
	if (n < 0 && cap)
		dst[0] = 0;
	return n >= 0 && (size_t)n < cap;
}

static bool is_cont(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Bytes of the valid character at @p, 0 when there is none. The ranges are the table of RFC
 * 3629, 4. */
static size_t utf8_char_bytes(const unsigned char *p, size_t n)
{
	unsigned char c = p[0], lo = 0x80, hi = 0xbf;
	size_t need;

	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	need = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (c == 0xe0)
		lo = 0xa0; /* shorter forms exist below */
	else if (c == 0xed)
		hi = 0x9f; /* surrogates above */
	else if (c == 0xf0)
		lo = 0x90;
	else if (c == 0xf4)
		hi = 0x8f; /* U+10FFFF */
	if (n < need || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < need; i++)
		if (!is_cont(p[i]))
			return 0;
	return need;
}

bool pb_utf8_valid(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n;

	while (p < end) {
		uint64_t word;
		size_t k;

		if (end - p >= 8) {
			memcpy(&word, p, 8);
			if (!(word & UINT64_C(0x8080808080808080))) {
				p += 8;
				continue;
			}
		}
		k = utf8_char_bytes(p, (size_t)(end - p));
		if (!k)
			return false;
		p += k;
	}
	return true;
}

size_t pb_utf8_cut(const char *p, size_t n, size_t max)
{
	size_t cut = max;

	if (n <= max)
		return n;
	/* the byte behind the cut starts a character, or we go back to the start of the one it is
	 * in */
	while (cut > 0 && max - cut < 3 && is_cont((unsigned char)p[cut]))
		cut--;
	return is_cont((unsigned char)p[cut]) ? max : cut;
}

size_t pb_utf8_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

size_t pb_utf8_decode(const char *s, size_t n, uint32_t *ret_cp)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t k = n ? utf8_char_bytes(p, n) : 0;

	switch (k) {
	case 1:
		*ret_cp = p[0];
		break;
	case 2:
		*ret_cp = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
		break;
	case 3:
		*ret_cp = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
			  (p[2] & 0x3f);
		break;
	case 4:
		*ret_cp = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
			  (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
		break;
	default:
		*ret_cp = 0xfffd;
		break;
	}
	return k;
}

void pb_hex(const void *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * n] = 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool pb_unhex(const char *s, size_t s_len, void *out, size_t out_bytes)
{
	unsigned char *o = out;

	if (s_len % 2 || s_len / 2 != out_bytes)
		return false;
	for (size_t i = 0; i < out_bytes; i++) {
		int hi = hex_value(s[2 * i]), lo = hex_value(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		o[i] = (unsigned char)(hi << 4 | lo);
	}
	return true;
}
