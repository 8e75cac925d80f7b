/* SPDX-License-Identifier: Apache-2.0 */
/* URL, base64, hex and HTML. Decoders give text only: bytes that are not UTF-8 are `expr.encoding`. */
#include "expr/expr_fn.h"

#include "base/base.h"

static bool ret_utf8(struct expr_call *c, struct expr_text *t, struct pb_json *ret)
{
	if (!pb_utf8_valid(t->p ? t->p : "", t->len))
		return expr_fail_call(c, "expr.encoding", "the result is not UTF-8 text");
	return expr_text_done(t, ret);
}

/* --- URL --- */

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.' || c == '~';
}

static bool add_escaped(struct expr_text *t, struct pb_slice s)
{
	static const char hex[] = "0123456789ABCDEF";
	char e[3] = {'%', 0, 0};

	for (size_t i = 0; i < s.len; i++) {
		uint8_t b = (uint8_t)s.p[i];

		e[1] = hex[b >> 4];
		e[2] = hex[b & 15];
		if (is_unreserved(s.p[i]) ? !expr_text_addc(t, s.p[i]) : !expr_text_add(t, e, 3))
			return false;
	}
	return expr_charge_bytes(t->ev, s.len);
}

static bool fn_url_encode(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s;

	return expr_arg_text(c, 0, &s) && add_escaped(&t, s) && expr_text_done(&t, ret);
}

static bool unescape(struct expr_call *c, struct expr_text *t, struct pb_slice s, bool plus)
{
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.p[i];

		if (ch == '%') {
			if (s.len - i < 3 || !pb_unhex(s.p + i + 1, 2, &ch, 1))
				return expr_fail_call(c, "expr.encoding",
						      "%% must be followed by two hex digits");
			i += 2;
		} else if (ch == '+' && plus) {
			ch = ' ';
		}
		if (!expr_text_addc(t, ch))
			return false;
	}
	return true;
}

static bool fn_url_decode(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s;

	return expr_arg_text(c, 0, &s) && unescape(c, &t, s, false) && ret_utf8(c, &t, ret);
}

static bool add_pair(struct expr_text *t, const struct pb_json_member *m, const struct pb_json *v)
{
	struct pb_slice s;

	if (v->type == PB_JSON_NULL)
		return true;
	if (t->len && !expr_text_addc(t, '&'))
		return false;
	return expr_charge(t->ev, 1) && add_escaped(t, pb_slice(m->key, m->key_len)) &&
	       expr_text_addc(t, '=') && expr_to_text(t->ev, v, &s) && add_escaped(t, s);
}

static bool fn_to_query(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	const struct pb_json *o;

	if (!expr_arg_object(c, 0, &o))
		return false;
	for (uint32_t i = 0; i < o->len; i++) {
		const struct pb_json_member *m = &o->members[i];
		uint32_t n = m->value.type == PB_JSON_ARRAY ? m->value.len : 1;

		for (uint32_t k = 0; k < n; k++) {
			const struct pb_json *v =
				m->value.type == PB_JSON_ARRAY ? &m->value.items[k] : &m->value;

			if (!add_pair(&t, m, v))
				return false;
		}
	}
	return expr_text_done(&t, ret);
}

static bool query_part(struct expr_call *c, struct pb_slice s, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};

	return unescape(c, &t, s, true) && ret_utf8(c, &t, ret);
}

static bool fn_parse_query(struct expr_call *c, struct pb_json *ret)
{
	struct expr_list values = {.ev = c->ev};
	struct pb_json_member *m;
	struct expr_set keys;
	struct pb_slice s;
	struct pb_json k, v;
	uint32_t at;
	bool added;

	if (!expr_arg_text(c, 0, &s) || !expr_set_init(&keys, c->ev, s.len / 2 + 1))
		return false;
	if (s.len && *s.p == '?')
		s = pb_slice(s.p + 1, s.len - 1);
	while (s.len) {
		const char *amp = memchr(s.p, '&', s.len);
		size_t n = amp ? (size_t)(amp - s.p) : s.len;
		const char *eq = memchr(s.p, '=', n);
		size_t key = eq ? (size_t)(eq - s.p) : n;

		if (!query_part(c, pb_slice(s.p, key), &k) ||
		    !query_part(c, eq ? pb_slice(eq + 1, n - key - 1) : pb_slice("", 0), &v))
			return false;
		if (n && !expr_set_add(&keys, &k, &at, &added))
			return false;
		if (n && added && !expr_list_add(&values, &v))
			return false;
		n += amp != NULL;
		s = pb_slice(s.p + n, s.len - n);
	}
	m = expr_alloc_members(c->ev, values.len);
	if (!m)
		return false;
	for (size_t i = 0; i < values.len; i++)
		m[i] = (struct pb_json_member){.key = keys.values.p[i].s,
					       .key_len = keys.values.p[i].len,
					       .value = values.p[i]};
	*ret = expr_object_json(m, values.len);
	return true;
}

/* --- base64 and hex --- */

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char b64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool add_base64(struct expr_text *t, const uint8_t *p, size_t n, const char *letters,
		       bool padding)
{
	if (!expr_text_reserve(t, n / 3 * 4 + 4))
		return false;
	for (size_t i = 0; i < n; i += 3) {
		size_t left = PB_MIN(n - i, 3);
		uint32_t w = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
			     (left > 2 ? p[i + 2] : 0);
		char out[4] = {letters[w >> 18], letters[w >> 12 & 63], letters[w >> 6 & 63],
			       letters[w & 63]};

		if (padding && left < 3)
			memset(out + left + 1, '=', 3 - left);
		if (!expr_text_add(t, out, padding ? 4 : left + 1))
			return false;
	}
	return true;
}

static bool encode64(struct expr_call *c, const char *letters, bool padding, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s;

	return expr_arg_text(c, 0, &s) &&
	       add_base64(&t, (const uint8_t *)s.p, s.len, letters, padding) &&
	       expr_text_done(&t, ret);
}

static bool fn_base64_encode(struct expr_call *c, struct pb_json *ret)
{
	return encode64(c, b64, true, ret);
}

static bool fn_base64url_encode(struct expr_call *c, struct pb_json *ret)
{
	return encode64(c, b64url, false, ret);
}

static int letter_value(char ch)
{
	const char *hit = ch ? strchr(b64, ch) : NULL;

	if (!hit && ch && strchr(b64url, ch))
		hit = strchr(b64url, ch) - b64url + b64;
	return hit ? (int)(hit - b64) : -1;
}

/* Both alphabets, with or without padding; line breaks are skipped as mail has them. */
static bool fn_base64_decode(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	uint32_t w = 0, bits = 0, letters = 0;
	struct pb_slice s;
	bool end = false;

	if (!expr_arg_text(c, 0, &s) || !expr_text_reserve(&t, s.len / 4 * 3 + 3))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		int v = letter_value(s.p[i]);

		if (s.p[i] == '\n' || s.p[i] == '\r')
			continue;
		end |= s.p[i] == '=';
		if (end && s.p[i] == '=')
			continue;
		if (v < 0 || end)
			return expr_fail_call(c, "expr.encoding", "not base64 at byte %zu", i);
		letters++;
		w = w << 6 | (uint32_t)v;
		bits += 6;
		if (bits >= 8 && !expr_text_addc(&t, (char)(w >> (bits - 8) & 0xff)))
			return false;
		bits -= bits >= 8 ? 8 : 0;
	}
	if (letters % 4 == 1)
		return expr_fail_call(c, "expr.encoding", "the base64 text was cut");
	return ret_utf8(c, &t, ret);
}

static bool add_hex(struct expr_text *t, const uint8_t *p, size_t n)
{
	char out[3];

	for (size_t i = 0; i < n; i++) {
		pb_hex(p + i, 1, out);
		if (!expr_text_add(t, out, 2))
			return false;
	}
	return true;
}

static bool fn_hex_encode(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s;

	return expr_arg_text(c, 0, &s) && add_hex(&t, (const uint8_t *)s.p, s.len) &&
	       expr_text_done(&t, ret);
}

static bool fn_hex_decode(struct expr_call *c, struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s;
	char ch;

	if (!expr_arg_text(c, 0, &s))
		return false;
	for (size_t i = 0; i < s.len; i += 2) {
		if (s.len - i < 2 || !pb_unhex(s.p + i, 2, &ch, 1))
			return expr_fail_call(c, "expr.encoding", "not hex at byte %zu", i);
		if (!expr_text_addc(&t, ch))
			return false;
	}
	return ret_utf8(c, &t, ret);
}

/* --- HTML --- */

static bool fn_html_escape(struct expr_call *c, struct pb_json *ret)
{
	static const char from[] = "&<>\"'";
	static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
	struct expr_text t = {.ev = c->ev};
	struct pb_slice s;

	if (!expr_arg_text(c, 0, &s))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const char *hit = s.p[i] ? strchr(from, s.p[i]) : NULL;
		const char *e = hit ? to[hit - from] : NULL;

		if (e ? !expr_text_add(&t, e, strlen(e)) : !expr_text_addc(&t, s.p[i]))
			return false;
	}
	return expr_text_done(&t, ret);
}

/* --- hashes, lent by the host --- */

static bool ret_digest(struct expr_call *c, uint32_t encoding_arg, const uint8_t *p, size_t n,
		       struct pb_json *ret)
{
	struct expr_text t = {.ev = c->ev};
	struct pb_slice how;
	bool ok;

	if (!n || n > EXPR_DIGEST_BYTES)
		return expr_fail_call(c, "expr.unavailable", "the hash failed");
	if (!expr_arg_text_or(c, encoding_arg, "hex", &how))
		return false;
	if (pb_slice_eq_str(how, "hex"))
		ok = add_hex(&t, p, n);
	else if (pb_slice_eq_str(how, "base64"))
		ok = add_base64(&t, p, n, b64, true);
	else if (pb_slice_eq_str(how, "base64url"))
		ok = add_base64(&t, p, n, b64url, false);
	else
		return expr_fail_call(c, "expr.argument",
				      "the encoding is hex, base64 or base64url");
	return ok && expr_text_done(&t, ret);
}

typedef size_t hash_fn(const void *p, size_t n, uint8_t out[EXPR_DIGEST_BYTES]);

static bool hash(struct expr_call *c, hash_fn *fn, struct pb_json *ret)
{
	uint8_t digest[EXPR_DIGEST_BYTES];
	struct pb_slice s;

	if (!fn)
		return expr_fail_call(c, "expr.unavailable", "this host has no such hash");
	if (!expr_arg_text(c, 0, &s) || !expr_charge(c->ev, 10 + s.len / 64))
		return false;
	return ret_digest(c, 1, digest, fn(s.p, s.len, digest), ret);
}

static bool fn_sha256(struct expr_call *c, struct pb_json *ret)
{
	const struct expr_host *h = c->ev->scope->host;

	return hash(c, h ? h->sha256 : NULL, ret);
}

static bool fn_sha512(struct expr_call *c, struct pb_json *ret)
{
	const struct expr_host *h = c->ev->scope->host;

	return hash(c, h ? h->sha512 : NULL, ret);
}

static bool fn_hmac_sha256(struct expr_call *c, struct pb_json *ret)
{
	const struct expr_host *h = c->ev->scope->host;
	uint8_t digest[EXPR_DIGEST_BYTES];
	struct pb_slice s, key;

	if (!h || !h->hmac_sha256)
		return expr_fail_call(c, "expr.unavailable", "this host has no such hash");
	if (!expr_arg_text(c, 0, &s) || !expr_arg_text(c, 1, &key) ||
	    !expr_charge(c->ev, 20 + s.len / 64))
		return false;
	return ret_digest(c, 2, digest, h->hmac_sha256(key.p, key.len, s.p, s.len, digest), ret);
}

static const struct expr_fn_def defs[] = {
	EXPR_FN("url_encode", 1, 1, fn_url_encode, "url_encode(text)",
		"Text fit for one part of an address."),
	EXPR_FN("url_decode", 1, 1, fn_url_decode, "url_decode(text)", "%41 becomes A."),
	EXPR_FN("to_query", 1, 1, fn_to_query, "to_query(object)",
		"\"a=1&b=2\"; null is left out, an array repeats its name."),
	EXPR_FN("parse_query", 1, 1, fn_parse_query, "parse_query(text)",
		"An object from \"a=1&b=2\"; of equal names the first counts."),
	EXPR_FN("base64_encode", 1, 1, fn_base64_encode, "base64_encode(text)", "Base64."),
	EXPR_FN("base64url_encode", 1, 1, fn_base64url_encode, "base64url_encode(text)",
		"Base64 for addresses, without padding."),
	EXPR_FN("base64_decode", 1, 1, fn_base64_decode, "base64_decode(text)",
		"Text from either base64 alphabet."),
	EXPR_FN("hex_encode", 1, 1, fn_hex_encode, "hex_encode(text)", "Two hex digits a byte."),
	EXPR_FN("hex_decode", 1, 1, fn_hex_decode, "hex_decode(text)", "Text from hex digits."),
	EXPR_FN("html_escape", 1, 1, fn_html_escape, "html_escape(text)",
		"Text that stands in HTML as it is."),
};

static const struct expr_fn_def hash_defs[] = {
	EXPR_FN("sha256", 1, 2, fn_sha256, "sha256(text, encoding?)",
		"Hash as hex, base64 or base64url."),
	EXPR_FN("sha512", 1, 2, fn_sha512, "sha512(text, encoding?)", "As sha256, longer."),
	EXPR_FN("hmac_sha256", 2, 3, fn_hmac_sha256, "hmac_sha256(text, key, encoding?)",
		"Keyed hash, as many services sign."),
};

const struct expr_fn_group expr_fn_encode = {"encoding", defs, PB_ARRAY_LEN(defs)};
const struct expr_fn_group expr_fn_hash = {"hash", hash_defs, PB_ARRAY_LEN(hash_defs)};
