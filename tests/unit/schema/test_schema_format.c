/* SPDX-License-Identifier: Apache-2.0 */
/* core/schema/schema_format.c */
#include "schema/schema.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

static const struct {
	const char *s;
	bool ok;
} uris[] = {
	{"https://example.org", true},
	{"https://example.org:8443/a/b?c=d&e[]=f", false},
	{"https://example.org:8443/a/b?c=d&e=%5B%5D#frag/?", true},
	{"http://user:pw@[2001:db8::1]:80/", true},
	{"http://[::1", false},
	{"http://[]/", false},
	{"http://[::1]x/", false},
	{"http://example.org:80a/", false},
	{"mailto:a@b.c", true},
	{"urn:uuid:017f22e2-79b0-7cc3-98c4-dc0c0c07398f", true},
	{"file:///etc/hosts", true},
	{"a:", true},
	{"//example.org/", false},
	{"/path", false},
	{"example.org", false},
	{"1http://x", false},
	{":x", false},
	{"", false},
	{"http://a b", false},
	{"http://a/%4", false},
	{"http://a/%zz", false},
	{"http://a/<b>", false},
	{"http://a/\xc3\xa9", false},
	{"http://a\\b", false},
	{"http://a/#x#y", false},
};

START_TEST(uri__absolute_only)
{
	ck_assert_msg(schema_format_is_uri(uris[_i].s, strlen(uris[_i].s)) == uris[_i].ok, "%s",
		      uris[_i].s);
}
END_TEST

static const struct {
	const char *s;
	bool ok;
} emails[] = {
	{"joe.bloggs@example.com", true},
	{"a+b_c@x-y.example", true},
	{"a@localhost", true},
	{"\xc3\xa9@\xc3\xa9.fr", true},
	{"a@", false},
	{"@b", false},
	{"ab", false},
	{"", false},
	{"a@b@c", false},
	{".a@b", false},
	{"a.@b", false},
	{"a..b@c", false},
	{"a@b..c", false},
	{"a@.b", false},
	{"a@b.", false},
	{"a@-b", false},
	{"a@b-", false},
	{"a@b-.c", false},
	{"a b@c", false},
	{"a@b c", false},
	{"a@b\n", false},
	{"a@b>,x@y", false},
	{"1234567890123456789012345678901234567890123456789012345678901234@x", true},
	{"12345678901234567890123456789012345678901234567890123456789012345@x", false},
	{"a@1234567890123456789012345678901234567890123456789012345678901234", false},
};

START_TEST(email__plain_mailboxes)
{
	ck_assert_msg(schema_format_is_email(emails[_i].s, strlen(emails[_i].s)) == emails[_i].ok,
		      "%s", emails[_i].s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("schema_format");
	TCase *tc = tcase_create("schema_format");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, uri__absolute_only, 0, PB_ARRAY_LEN(uris));
	tcase_add_loop_test(tc, email__plain_mailboxes, 0, PB_ARRAY_LEN(emails));
	suite_add_tcase(s, tc);
	return s;
}

CHECK_MAIN(suite)
