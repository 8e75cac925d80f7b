/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of single values. */
#include "config/config_private.h"

#include <check.h>

#include "support/check_main.h"
#include "base/base.h"

static const struct {
	bool (*fn)(const char *);
	const char *text;
	bool ok;
} cases[] = {
	{config_shape_listen, "127.0.0.1:8080", true},
	{config_shape_listen, "0.0.0.0:0", true},
	{config_shape_listen, "127.0.0.1", false},
	{config_shape_listen, "127.0.0.1:65536", false},
	{config_shape_listen, "127.0.0.1:", false},
	{config_shape_listen, "127.0.0.1:-1", false},
	{config_shape_listen, "127.1:80", false},
	{config_shape_listen, ":80", false},
	{config_shape_listen, "localhost:80", false},
	{config_shape_listen, "127.0.0.1:80s", false},
	{config_shape_cidr, "10.0.0.0/8", true},
	{config_shape_cidr, "192.0.2.1", true},
	{config_shape_cidr, "fd00::/8", true},
	{config_shape_cidr, "::1", true},
	{config_shape_cidr, "10.0.0.0/33", false},
	{config_shape_cidr, "fd00::/129", false},
	{config_shape_cidr, "10.0.0/8", false},
	{config_shape_cidr, "10.0.0.0/", false},
	{config_shape_cidr, "10.0.0.0/8/8", false},
	{config_shape_cidr, "example.com", false},
	{config_shape_ports, "443", true},
	{config_shape_ports, "8000-8999", true},
	{config_shape_ports, "0", false},
	{config_shape_ports, "9-8", false},
	{config_shape_ports, "1-", false},
	{config_shape_ports, "-1", false},
	{config_shape_origin, "https://app.example.com", true},
	{config_shape_origin, "http://localhost:3000", true},
	{config_shape_origin, "https://app.example.com/", false},
	{config_shape_origin, "https://*.example.com", false},
	{config_shape_origin, "null", false},
	{config_shape_origin, "*", false},
	{config_shape_origin, "https://a@b.example", false},
	{config_shape_origin, "https://", false},
	{config_shape_origin, "https://-a", false},
	{config_shape_origin, "ftp://a", false},
	{config_shape_origin, "https://a:70000", false},
	{config_shape_host, "patchbay.internal", true},
	{config_shape_host, "10.0.0.5", true},
	{config_shape_host, "*.example.com", true},
	{config_shape_host, "", false},
	{config_shape_host, "*", false},
	{config_shape_host, "*.", false},
	{config_shape_host, "a.*.example", false},
	{config_shape_host, "patchbay.internal:8080", false},
	{config_shape_host, "Patchbay", false},
	{config_shape_host, "a..b", false},
	{config_shape_base_url, "https://example.com/patchbay", true},
	{config_shape_base_url, "https://example.com", true},
	{config_shape_base_url, "https://example.com/", false},
	{config_shape_base_url, "https://example.com/a/../b", false},
	{config_shape_base_url, "https://example.com//b", false},
	{config_shape_base_url, "https://example.com/a?b", false},
	{config_shape_connector_url, "slack=http://127.0.0.1:4300/slack/api", true},
	{config_shape_connector_url, "com.acme.crm=https://crm.example.com", true},
	{config_shape_connector_url, "http://127.0.0.1:4300", false},
	{config_shape_connector_url, "=http://127.0.0.1:4300", false},
	{config_shape_connector_url, "slack=", false},
	{config_shape_connector_url, "slack=http://127.0.0.1:4300/", false},
	{config_shape_connector_url, "slack=file:///etc/passwd", false},
	{config_shape_name, "patchbay-runner", true},
	{config_shape_name, "_x", true},
	{config_shape_name, "", false},
	{config_shape_name, "1x", false},
	{config_shape_name, "Root", false},
	{config_shape_name, "a b", false},
	{config_shape_crash_at, "engine.finish.before_commit:1", true},
	{config_shape_crash_at, "engine.finish.before_commit", false},
	{config_shape_crash_at, ":1", false},
	{config_shape_crash_at, "x:0", false},
};

START_TEST(shape__decides)
{
	ck_assert_msg(cases[_i].fn(cases[_i].text) == cases[_i].ok, "%s", cases[_i].text);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("config_shape");
	TCase *t = tcase_create("shape");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, shape__decides, 0, PB_ARRAY_LEN(cases));
	suite_add_tcase(s, t);
	return s;
}

CHECK_MAIN(suite)
