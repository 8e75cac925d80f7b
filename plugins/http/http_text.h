/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of HTTP for http.c: forms, header names, UTF-8. */
#ifndef PLUGIN_HTTP_TEXT_H
#define PLUGIN_HTTP_TEXT_H

#include <patchbay/json.h>

/*
 * Appends an object as a=b&c=d, percent-encoded; arrays repeat their name, null is left out. @before goes in
 * front of the first pair (0 for nothing). 0 when a value is an object or a nested array.
 */
int http_form(struct patchbay_writer *w, struct patchbay_text object, char before);
/* Header names are equal without regard to case. */
int http_same_name(const char *a, const char *b);
/* A token for a name, no control characters in the value. */
int http_header_ok(const char *name, const char *value);
int http_utf8_ok(const char *bytes, size_t len);
/* Is the host of "http://host:port/..." among "a.example.com, *.b.example"? */
int http_host_listed(const char *url, const char *hosts);

#endif
