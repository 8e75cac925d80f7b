/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader and writer of patchbay/json.h, for connectors. One scanner does everything: it steps over a
 * value without recursion (a bit for each open bracket) and never reads past the end it was given.
 */
#include <patchbay/json.h>

#include <string.h>

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Bytes of the UTF-8 character at @p, 0 when it is not one. */
static size_t utf8_bytes(const unsigned char *p, const unsigned char *end)
{
	size_t n, i;
	uint32_t cp;

	if (*p < 0x80)
		return 1;
	n = *p >= 0xf0 ? 4u : *p >= 0xe0 ? 3u : 2u;
	if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - p) < n)
		return 0;
	cp = *p & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (p[i] & 0x3fu);
	}
	if ((n == 3 && cp < 0x800) || (n == 4 && (cp < 0x10000 || cp > 0x10ffff)) ||
	    (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	return n;
}

static int hex4(const char *p, const char *end, uint32_t *ret)
{
	uint32_t v = 0;
	int i;
	char c;

	if (end - p < 4)
		return 0;
	for (i = 0; i < 4; i++) {
		c = p[i];
		v <<= 4;
		if (c >= '0' && c <= '9')
			v |= (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v |= (uint32_t)(c - 'a') + 10u;
		else if (c >= 'A' && c <= 'F')
			v |= (uint32_t)(c - 'A') + 10u;
		else
			return 0;
	}
	*ret = v;
	return 1;
}

/* An escape behind its backslash; a surrogate must have its partner. NULL when it is none. */
static const char *scan_escape(const char *p, const char *end, uint32_t *ret_cp)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	uint32_t low;

	if (p >= end || *p == 0)
		return NULL;
	at = strchr(from, *p);
	if (at != NULL) {
		*ret_cp = (unsigned char)to[at - from];
		return p + 1;
	}
	if (*p != 'u' || !hex4(p + 1, end, ret_cp))
		return NULL;
	p += 5;
	if (*ret_cp >= 0xdc00 && *ret_cp <= 0xdfff)
		return NULL;
	if (*ret_cp < 0xd800 || *ret_cp > 0xdfff)
		return p;
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !hex4(p + 2, end, &low) || low < 0xdc00 ||
	    low > 0xdfff)
		return NULL;
	*ret_cp = 0x10000u + ((*ret_cp - 0xd800u) << 10) + (low - 0xdc00u);
	return p + 6;
}

/* Behind the closing quote, NULL when the string is broken. @p is behind the opening one. */
static const char *scan_string(const char *p, const char *end)
{
	uint32_t cp;
	size_t n;

	while (p < end) {
		if (*p == '"')
			return p + 1;
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p == '\\') {
			p = scan_escape(p + 1, end, &cp);
			if (p == NULL)
				return NULL;
			continue;
		}
		n = utf8_bytes((const unsigned char *)p, (const unsigned char *)end);
		if (n == 0)
			return NULL;
		p += n;
	}
	return NULL;
}

static const char *scan_digits(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > start ? p : NULL;
}

static const char *scan_number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else if ((p = scan_digits(p, end)) == NULL)
		return NULL;
	if (p < end && *p == '.' && (p = scan_digits(p + 1, end)) == NULL)
		return NULL;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = scan_digits(p, end);
	}
	return p;
}

static const char *scan_word(const char *p, const char *end, const char *word)
{
	const size_t n = strlen(word);

	return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

/* A string, number or word. */
static const char *scan_scalar(const char *p, const char *end)
{
	switch (*p) {
	case '"':
		return scan_string(p + 1, end);
	case 't':
		return scan_word(p, end, "true");
	case 'f':
		return scan_word(p, end, "false");
	case 'n':
		return scan_word(p, end, "null");
	default:
		return scan_number(p, end);
	}
}

/* A key with its colon; behind it. */
static const char *scan_key(const char *p, const char *end)
{
	p = skip_space(p, end);
	if (p >= end || *p != '"' || (p = scan_string(p + 1, end)) == NULL)
		return NULL;
	p = skip_space(p, end);
	return p < end && *p == ':' ? p + 1 : NULL;
}

/* Behind the value that starts at @p (after blanks), NULL when it is broken or too deep. */
static const char *scan_value(const char *p, const char *end)
{
	uint64_t objects = 0; /* one bit for each open bracket: is it an object */
	unsigned depth = 0;

	for (;;) {
		p = skip_space(p, end);
		if (p >= end)
			return NULL;
		if (*p == '{' || *p == '[') {
			if (depth == PATCHBAY_JSON_DEPTH)
				return NULL;
			objects = objects << 1 | (*p == '{');
			depth++;
			p = skip_space(p + 1, end);
			if (p >= end)
				return NULL;
			if (*p != ((objects & 1) ? '}' : ']')) {
				if ((objects & 1) && (p = scan_key(p, end)) == NULL)
					return NULL;
				continue;
			}
		} else {
			p = scan_scalar(p, end);
			if (p == NULL)
				return NULL;
			if (depth == 0)
				return p;
			p = skip_space(p, end);
		}
		/* behind a value, or on the bracket that closes an empty one */
		while (p < end && *p == ((objects & 1) ? '}' : ']')) {
			objects >>= 1;
			p++;
			if (--depth == 0)
				return p;
			p = skip_space(p, end);
		}
		if (p >= end || *p != ',')
			return NULL;
		p++;
		if ((objects & 1) && (p = scan_key(p, end)) == NULL)
			return NULL;
	}
}

int patchbay_json_valid(const char *json, size_t len)
{
	const char *p;

	if (json == NULL)
		return 0;
	p = scan_value(json, json + len);
	return p != NULL && skip_space(p, json + len) == json + len;
}

static const struct patchbay_text absent = {NULL, 0};

static struct patchbay_text trimmed(struct patchbay_text v)
{
	const char *end, *p;

	if (v.ptr == NULL)
		return absent;
	end = v.ptr + v.len;
	p = skip_space(v.ptr, end);
	while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\n' || end[-1] == '\r'))
		end--;
	v.ptr = p;
	v.len = (size_t)(end - p);
	return v;
}

char patchbay_json_type(struct patchbay_text value)
{
	value = trimmed(value);
	if (value.len == 0)
		return 0;
	switch (*value.ptr) {
	case '{':
	case '[':
	case '"':
	case 't':
	case 'f':
	case 'n':
		return *value.ptr;
	default:
		return *value.ptr == '-' || (*value.ptr >= '0' && *value.ptr <= '9') ? '0' : 0;
	}
}

void patchbay_json_walk_init(struct patchbay_json_walk *walk, struct patchbay_text value)
{
	const char type = patchbay_json_type(value);

	memset(walk, 0, sizeof(*walk));
	value = trimmed(value);
	if (type != '{' && type != '[')
		return;
	walk->close = type == '{' ? '}' : ']';
	walk->at = value.ptr + 1;
	walk->end = value.ptr + value.len;
}

int patchbay_json_walk_next(struct patchbay_json_walk *walk, struct patchbay_text *ret_key,
			    struct patchbay_text *ret_value)
{
	const char *p, *start;

	*ret_key = *ret_value = absent;
	if (walk->at == NULL)
		return 0;
	p = skip_space(walk->at, walk->end);
	walk->at = NULL; /* until this item turns out whole */
	if (p < walk->end && *p == ',')
		p = skip_space(p + 1, walk->end);
	if (p >= walk->end || *p == walk->close)
		return 0;
	if (walk->close == '}') {
		start = p;
		p = *p == '"' ? scan_string(p + 1, walk->end) : NULL;
		if (p == NULL)
			return 0;
		ret_key->ptr = start;
		ret_key->len = (size_t)(p - start);
		p = skip_space(p, walk->end);
		if (p >= walk->end || *p != ':')
			return 0;
		p++;
	}
	start = skip_space(p, walk->end);
	p = scan_value(start, walk->end);
	if (p == NULL)
		return 0;
	ret_value->ptr = start;
	ret_value->len = (size_t)(p - start);
	walk->at = p;
	return 1;
}

static size_t put_utf8(uint32_t cp, char *out)
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

/* Next character of a string's inside, decoded into @out (4 bytes); NULL at a broken one. */
static const char *next_char(const char *p, const char *end, char *out, size_t *ret_n)
{
	uint32_t cp;

	if (*p == '\\') {
		p = scan_escape(p + 1, end, &cp);
		if (p != NULL)
			*ret_n = put_utf8(cp, out);
		return p;
	}
	*ret_n = utf8_bytes((const unsigned char *)p, (const unsigned char *)end);
	if (*ret_n == 0)
		return NULL;
	memcpy(out, p, *ret_n);
	return p + *ret_n;
}

/* Compares a quoted text with @n decoded bytes. */
static int string_is(struct patchbay_text quoted, const char *text, size_t n)
{
	const char *p, *end;
	char buf[4];
	size_t k, i = 0;

	if (quoted.len < 2 || quoted.ptr[0] != '"')
		return 0;
	p = quoted.ptr + 1;
	end = quoted.ptr + quoted.len - 1;
	while (p < end) {
		p = next_char(p, end, buf, &k);
		if (p == NULL || k > n - i || memcmp(buf, text + i, k) != 0)
			return 0;
		i += k;
	}
	return i == n;
}

int patchbay_json_equals(struct patchbay_text value, const char *text)
{
	return string_is(trimmed(value), text, strlen(text));
}

/* One token of a pointer, unescaped into @out (at most @cap); its length, or cap + 1 when it is too long. */
static size_t pointer_token(const char **p, char *out, size_t cap)
{
	size_t n = 0;
	char c;

	while (**p != 0 && **p != '/') {
		c = *(*p)++;
		if (c == '~' && (**p == '0' || **p == '1'))
			c = *(*p)++ == '0' ? '~' : '/';
		if (n == cap)
			return cap + 1;
		out[n++] = c;
	}
	return n;
}

static struct patchbay_text child(struct patchbay_text v, const char *token, size_t n)
{
	struct patchbay_json_walk walk;
	struct patchbay_text key, value;
	size_t index = 0, want = 0, i;

	patchbay_json_walk_init(&walk, v);
	if (walk.close == ']') {
		if (n == 0 || n > 9 || (n > 1 && token[0] == '0'))
			return absent;
		for (i = 0; i < n; i++) {
			if (token[i] < '0' || token[i] > '9')
				return absent;
			want = want * 10 + (size_t)(token[i] - '0');
		}
	}
	while (patchbay_json_walk_next(&walk, &key, &value)) {
		if (key.ptr != NULL ? string_is(key, token, n) : index++ == want)
			return value;
	}
	return absent;
}

struct patchbay_text patchbay_json_find(struct patchbay_text value, const char *pointer)
{
	char token[256];
	size_t n;

	value = trimmed(value);
	while (value.ptr != NULL && *pointer == '/') {
		pointer++;
		n = pointer_token(&pointer, token, sizeof(token));
		value = n <= sizeof(token) ? child(value, token, n) : absent;
	}
	return *pointer == 0 ? value : absent;
}

const char *patchbay_json_string(const struct patchbay_host *host, struct patchbay_call *call,
				 struct patchbay_text value, size_t *ret_len)
{
	const char *p, *end;
	char *out;
	size_t n = 0, k;
	char buf[4];

	value = trimmed(value);
	if (value.len < 2 || value.ptr[0] != '"' || value.ptr[value.len - 1] != '"')
		return NULL;
	out = (char *)patchbay_alloc(host, call, value.len);
	if (out == NULL)
		return NULL;
	end = value.ptr + value.len - 1;
	for (p = value.ptr + 1; p < end;) {
		p = next_char(p, end, buf, &k);
		if (p == NULL || (k == 1 && buf[0] == 0))
			return NULL;
		memcpy(out + n, buf, k);
		n += k;
	}
	out[n] = 0;
	if (ret_len != NULL)
		*ret_len = n;
	return out;
}

int patchbay_json_int(struct patchbay_text value, int64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;
	int minus;

	value = trimmed(value);
	if (value.len == 0)
		return 0;
	minus = value.ptr[0] == '-';
	i = minus ? 1 : 0;
	if (i == value.len || value.len - i > 18)
		return 0;
	for (; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return 0;
		v = v * 10 + (uint64_t)(value.ptr[i] - '0');
	}
	*ret = minus ? -(int64_t)v : (int64_t)v;
	return 1;
}

int patchbay_json_true(struct patchbay_text value)
{
	value = trimmed(value);
	return value.len == 4 && memcmp(value.ptr, "true", 4) == 0;
}

/* ---- writing ---- */

void patchbay_writer_init(struct patchbay_writer *w, const struct patchbay_host *host,
			  struct patchbay_call *call)
{
	memset(w, 0, sizeof(*w));
	w->host = host;
	w->call = call;
}

void patchbay_write_bytes(struct patchbay_writer *w, const char *bytes, size_t len)
{
	size_t cap = w->cap != 0 ? w->cap : 256;
	char *grown;

	if (w->failed || len > SIZE_MAX / 4 - w->len) {
		w->failed = 1;
		return;
	}
	if (w->len + len + 1 > w->cap) {
		while (cap < w->len + len + 1)
			cap *= 2;
		grown = (char *)patchbay_alloc(w->host, w->call, cap);
		if (grown == NULL) {
			w->failed = 1;
			return;
		}
		if (w->len > 0)
			memcpy(grown, w->text, w->len);
		w->text = grown;
		w->cap = cap;
	}
	if (len > 0)
		memcpy(w->text + w->len, bytes, len);
	w->len += len;
	w->text[w->len] = 0;
}

static void begin(struct patchbay_writer *w)
{
	if (w->comma)
		patchbay_write_bytes(w, ",", 1);
	w->comma = 1;
}

void patchbay_write_open(struct patchbay_writer *w, char bracket)
{
	begin(w);
	patchbay_write_bytes(w, &bracket, 1);
	w->comma = 0;
}

void patchbay_write_close(struct patchbay_writer *w, char bracket)
{
	patchbay_write_bytes(w, &bracket, 1);
	w->comma = 1;
}

static void quoted(struct patchbay_writer *w, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	char esc[6] = {'\\', 'u', '0', '0', 0, 0};
	size_t i, start = 0;
	unsigned char c;

	patchbay_write_bytes(w, "\"", 1);
	for (i = 0; i < len; i++) {
		c = (unsigned char)text[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		patchbay_write_bytes(w, text + start, i - start);
		start = i + 1;
		esc[4] = hex[c >> 4];
		esc[5] = hex[c & 15];
		patchbay_write_bytes(w, esc, 6);
	}
	patchbay_write_bytes(w, text + start, len - start);
	patchbay_write_bytes(w, "\"", 1);
}

void patchbay_write_key(struct patchbay_writer *w, const char *key)
{
	begin(w);
	quoted(w, key, strlen(key));
	patchbay_write_bytes(w, ":", 1);
	w->comma = 0;
}

void patchbay_write_string(struct patchbay_writer *w, const char *text, size_t len)
{
	begin(w);
	quoted(w, text, len);
}

void patchbay_write_text(struct patchbay_writer *w, const char *text)
{
	if (text != NULL)
		patchbay_write_string(w, text, strlen(text));
	else
		patchbay_write_json(w, absent);
}

void patchbay_write_int(struct patchbay_writer *w, int64_t value)
{
	uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char digits[24];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + (int)(v % 10));
		v /= 10;
	} while (v > 0);
	if (value < 0)
		digits[--n] = '-';
	begin(w);
	patchbay_write_bytes(w, digits + n, sizeof(digits) - n);
}

void patchbay_write_bool(struct patchbay_writer *w, int value)
{
	begin(w);
	patchbay_write_bytes(w, value ? "true" : "false", value ? 4u : 5u);
}

void patchbay_write_json(struct patchbay_writer *w, struct patchbay_text json)
{
	begin(w);
	if (json.ptr != NULL)
		patchbay_write_bytes(w, json.ptr, json.len);
	else
		patchbay_write_bytes(w, "null", 4);
}
