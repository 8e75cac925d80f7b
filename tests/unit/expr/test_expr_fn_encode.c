/* SPDX-License-Identifier: Apache-2.0 */
/* Tests core/expr/expr_fn_encode.c, with a host table whose "hash" shows what it was given. */
#include "expr_test.h"

static const struct expr_case cases[] = {
	{"url_encode('a b&c/\xd1\x8f~')", "\"a%20b%26c%2F%D1%8F~\""},
	{"url_decode('a%20b+%D1%8F')", "\"a b+\xd1\x8f\""},
	{"url_decode('%')", "!expr.encoding"},
	{"url_decode('%zz')", "!expr.encoding"},
	{"url_decode('%ff')", "!expr.encoding"},
	{"to_query({a: 1, b: 'x y', c: null, d: [1, 2]})", "\"a=1&b=x%20y&d=1&d=2\""},
	{"parse_query('?a=1&b=x+y&c&a=2&&=e')",
	 "{\"a\":\"1\",\"b\":\"x y\",\"c\":\"\",\"\":\"e\"}"},
	{"parse_query('')", "{}"},
	{"base64_encode('')", "\"\""},
	{"base64_encode('f')", "\"Zg==\""},
	{"base64_encode('fo')", "\"Zm8=\""},
	{"base64_encode('foobar')", "\"Zm9vYmFy\""},
	{"base64_encode('\\u00ff\\u00fe')", "\"w7/Dvg==\""},
	{"base64url_encode('\\u00ff\\u00fe')", "\"w7_Dvg\""},
	{"base64_decode('Zg==')", "\"f\""},
	{"base64_decode('Zm9v\\r\\nYmFy')", "\"foobar\""},
	{"base64_decode('w7_Dvg')", "\"\xc3\xbf\xc3\xbe\""},
	{"base64_decode('Z')", "!expr.encoding"},
	{"base64_decode('Zg==x')", "!expr.encoding"},
	{"base64_decode('Z*')", "!expr.encoding"},
	{"base64_decode('/w==')", "!expr.encoding"},
	{"hex_encode('AZ')", "\"415a\""},
	{"hex_decode('415A')", "\"AZ\""},
	{"hex_decode('4')", "!expr.encoding"},
	{"hex_decode('zz')", "!expr.encoding"},
	{"hex_decode('ff')", "!expr.encoding"},
	{"html_escape('<a href=\"x\">&\\'')", "\"&lt;a href=&quot;x&quot;&gt;&amp;&#39;\""},
	{"sha256('x')", "!expr.unavailable"},
	{"hmac_sha256('x', 'k')", "!expr.unavailable"},
};

static size_t first_and_length(const void *p, size_t n, uint8_t out[EXPR_DIGEST_BYTES])
{
	out[0] = n ? *(const uint8_t *)p : 0;
	out[1] = (uint8_t)n;
	return 2;
}

static size_t keyed(const void *key, size_t key_len, const void *p, size_t n,
		    uint8_t out[EXPR_DIGEST_BYTES])
{
	out[0] = *(const uint8_t *)key;
	out[1] = (uint8_t)key_len;
	out[2] = *(const uint8_t *)p;
	out[3] = (uint8_t)n;
	return 4;
}

static const struct expr_case hashes[] = {
	{"sha256('abc')", "\"6103\""},
	{"sha512('abc', 'base64')", "\"YQM=\""},
	{"sha512('abc', 'base64url')", "\"YQM\""},
	{"sha512('')", "\"0000\""},
	{"sha1('')", "!expr.unknown_function"},
	{"md5('')", "!expr.unknown_function"},
	{"hmac_sha256('ab', 'k')", "\"6b016102\""},
	{"sha256('abc', 'rot13')", "!expr.argument"},
	{"sha256(nil)", "!expr.type"},
};

EXPR_TABLE_TEST(encode__cases, cases)

START_TEST(hash__uses_the_host)
{
	const struct expr_host host = {
		.sha256 = first_and_length, .sha512 = first_and_length, .hmac_sha256 = keyed};
	struct expr_scope scope = {.host = &host};
	struct expr_budget budget;
	pb_autofree char *got = NULL;

	expr_budget_init(&budget);
	got = expr_test_eval_scope(hashes[_i].text, &scope, &budget);
	expr_test_check(&hashes[_i], got);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("encode");

	tcase_add_loop_test(tc, encode__cases, 0, PB_ARRAY_LEN(cases));
	tcase_add_loop_test(tc, hash__uses_the_host, 0, PB_ARRAY_LEN(hashes));
	return expr_test_main("expr_fn_encode", tc);
}
