/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small JSON reader and writer for connectors: source that is compiled into them, not part of the ABI.
 *
 * Reading needs no tree and no memory: a value is a slice of the text it came in. All functions are safe
 * on any bytes; call patchbay_json_valid() once on text from outside (parameters are checked already).
 * Writing grows in memory of the call.
 */
#ifndef PATCHBAY_JSON_H
#define PATCHBAY_JSON_H

#include <patchbay/connector.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(hidden)
#endif

#define PATCHBAY_JSON_DEPTH 64

/** 1 when @json is one JSON value, at most 64 levels deep, in valid UTF-8. */
int patchbay_json_valid(const char *json, size_t len);

/** '{' '[' '"' '0' (a number) 't' 'f' 'n', or 0 for an absent or empty text. */
char patchbay_json_type(struct patchbay_text value);

/** The value at a JSON Pointer in @value; ptr NULL when there is none. The first of equal keys counts. */
struct patchbay_text patchbay_json_find(struct patchbay_text value, const char *pointer);

/** 1 when @value is a string that equals @text (no decoding needed for plain ASCII). */
int patchbay_json_equals(struct patchbay_text value, const char *text);

/**
 * The decoded string, NUL-terminated, in memory of the call; NULL when @value is not a string, holds a
 * NUL character, or memory is out. @param ret_len may be NULL.
 */
const char *patchbay_json_string(const struct patchbay_host *host, struct patchbay_call *call,
				 struct patchbay_text value, size_t *ret_len);

/** 1 and *ret when @value is an integer that fits. */
int patchbay_json_int(struct patchbay_text value, int64_t *ret);

/** 1 when @value is `true`. */
int patchbay_json_true(struct patchbay_text value);

/** Walks an array or object. `key` is the quoted key's text, absent in arrays. */
struct patchbay_json_walk {
	const char *at;
	const char *end;
	char close;
	char reserved[7];
};
void patchbay_json_walk_init(struct patchbay_json_walk *walk, struct patchbay_text value);
int patchbay_json_walk_next(struct patchbay_json_walk *walk, struct patchbay_text *ret_key,
			    struct patchbay_text *ret_value);

/** The writer. Commas and colons are its business; `failed` is set when memory is out. */
struct patchbay_writer {
	const struct patchbay_host *host;
	struct patchbay_call *call;
	char *text;
	size_t len;
	size_t cap;
	int32_t failed;
	int32_t comma;
};
void patchbay_writer_init(struct patchbay_writer *w, const struct patchbay_host *host,
			  struct patchbay_call *call);
void patchbay_write_open(struct patchbay_writer *w, char bracket);  /* '{' or '[' */
void patchbay_write_close(struct patchbay_writer *w, char bracket); /* '}' or ']' */
void patchbay_write_key(struct patchbay_writer *w, const char *key);
void patchbay_write_string(struct patchbay_writer *w, const char *text, size_t len);
void patchbay_write_text(struct patchbay_writer *w,
			 const char *text); /* NUL-terminated; NULL is null */
void patchbay_write_int(struct patchbay_writer *w, int64_t value);
void patchbay_write_bool(struct patchbay_writer *w, int value);
void patchbay_write_json(struct patchbay_writer *w, struct patchbay_text json); /* absent is null */
/** Bytes as they are, without quotes or commas: for forms and other text. */
void patchbay_write_bytes(struct patchbay_writer *w, const char *bytes, size_t len);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
