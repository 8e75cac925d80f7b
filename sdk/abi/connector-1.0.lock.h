/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary interface of SDK 1.0 on 64-bit machines, written down when 1.0 was released. This file is never
 * edited: a later minor gets a file of its own with the lines it adds. It is compiled in every test run, so a
 * moved member or a renumbered constant breaks the build.
 *
 * Tables that grow at their end (host, module, operation, files) have a least size; all others an exact one.
 */
#ifndef PATCHBAY_ABI_CONNECTOR_1_0_LOCK_H
#define PATCHBAY_ABI_CONNECTOR_1_0_LOCK_H

#include <patchbay/connector.h>

#define PATCHBAY_LOCK(expression) _Static_assert(expression, "SDK 1.0 was changed: " #expression)
#define SIZE(type, bytes)         PATCHBAY_LOCK(sizeof(type) == (bytes))
#define LEAST(type, bytes)        PATCHBAY_LOCK(sizeof(type) >= (bytes))
#define AT(type, member, offset, bytes)                                                            \
	PATCHBAY_LOCK(offsetof(type, member) == (offset) && sizeof(((type *)0)->member) == (bytes))
#define IS(name, value) PATCHBAY_LOCK((name) == (value))

SIZE(struct patchbay_text, 16);
AT(struct patchbay_text, ptr, 0, 8);
AT(struct patchbay_text, len, 8, 8);
SIZE(struct patchbay_header, 16);
AT(struct patchbay_header, name, 0, 8);
AT(struct patchbay_header, value, 8, 8);
SIZE(struct patchbay_http_request, 88);
AT(struct patchbay_http_request, size, 0, 4);
AT(struct patchbay_http_request, flags, 4, 4);
AT(struct patchbay_http_request, method, 8, 8);
AT(struct patchbay_http_request, url, 16, 8);
AT(struct patchbay_http_request, headers, 24, 8);
AT(struct patchbay_http_request, n_headers, 32, 8);
AT(struct patchbay_http_request, body, 40, 8);
AT(struct patchbay_http_request, body_len, 48, 8);
AT(struct patchbay_http_request, timeout_ms, 56, 8);
AT(struct patchbay_http_request, max_response_bytes, 64, 8);
AT(struct patchbay_http_request, reserved, 72, 16);
SIZE(struct patchbay_http_response, 88);
AT(struct patchbay_http_response, size, 0, 4);
AT(struct patchbay_http_response, http_status, 4, 4);
AT(struct patchbay_http_response, effect, 8, 4);
AT(struct patchbay_http_response, reserved0, 12, 4);
AT(struct patchbay_http_response, retry_after_ms, 16, 8);
AT(struct patchbay_http_response, headers, 24, 8);
AT(struct patchbay_http_response, n_headers, 32, 8);
AT(struct patchbay_http_response, body, 40, 8);
AT(struct patchbay_http_response, body_len, 48, 8);
AT(struct patchbay_http_response, code, 56, 8);
AT(struct patchbay_http_response, message, 64, 8);
AT(struct patchbay_http_response, reserved, 72, 16);
SIZE(struct patchbay_failure, 64);
AT(struct patchbay_failure, size, 0, 4);
AT(struct patchbay_failure, status, 4, 4);
AT(struct patchbay_failure, effect, 8, 4);
AT(struct patchbay_failure, http_status, 12, 4);
AT(struct patchbay_failure, retry_after_ms, 16, 8);
AT(struct patchbay_failure, code, 24, 8);
AT(struct patchbay_failure, message, 32, 8);
AT(struct patchbay_failure, pointer, 40, 8);
AT(struct patchbay_failure, reserved, 48, 16);
LEAST(struct patchbay_host, 184);
AT(struct patchbay_host, size, 0, 4);
AT(struct patchbay_host, abi_major, 4, 2);
AT(struct patchbay_host, abi_minor, 6, 2);
AT(struct patchbay_host, params, 8, 8);
AT(struct patchbay_host, param, 16, 8);
AT(struct patchbay_host, idempotency_key, 24, 8);
AT(struct patchbay_host, remaining_ms, 32, 8);
AT(struct patchbay_host, cancelled, 40, 8);
AT(struct patchbay_host, log, 48, 8);
AT(struct patchbay_host, alloc, 56, 8);
AT(struct patchbay_host, http, 64, 8);
AT(struct patchbay_host, secret, 72, 8);
AT(struct patchbay_host, kv_get, 80, 8);
AT(struct patchbay_host, kv_put, 88, 8);
AT(struct patchbay_host, result, 96, 8);
AT(struct patchbay_host, emit, 104, 8);
AT(struct patchbay_host, cursor_get, 112, 8);
AT(struct patchbay_host, cursor_set, 120, 8);
AT(struct patchbay_host, fail, 128, 8);
AT(struct patchbay_host, now_ms, 136, 8);
AT(struct patchbay_host, random, 144, 8);
AT(struct patchbay_host, hash, 152, 8);
AT(struct patchbay_host, hmac, 160, 8);
AT(struct patchbay_host, base64, 168, 8);
AT(struct patchbay_host, extension, 176, 8);
LEAST(struct patchbay_operation, 16);
AT(struct patchbay_operation, id, 0, 8);
AT(struct patchbay_operation, run, 8, 8);
LEAST(struct patchbay_module, 56);
AT(struct patchbay_module, magic, 0, 4);
AT(struct patchbay_module, size, 4, 4);
AT(struct patchbay_module, abi_major, 8, 2);
AT(struct patchbay_module, abi_minor, 10, 2);
AT(struct patchbay_module, needs_minor, 12, 2);
AT(struct patchbay_module, reserved0, 14, 2);
AT(struct patchbay_module, operation_stride, 16, 4);
AT(struct patchbay_module, n_operations, 20, 4);
AT(struct patchbay_module, operations, 24, 8);
AT(struct patchbay_module, manifest, 32, 8);
AT(struct patchbay_module, manifest_len, 40, 8);
AT(struct patchbay_module, extension, 48, 8);
LEAST(struct patchbay_files, 40);
AT(struct patchbay_files, size, 0, 4);
AT(struct patchbay_files, reserved0, 4, 4);
AT(struct patchbay_files, length, 8, 8);
AT(struct patchbay_files, read, 16, 8);
AT(struct patchbay_files, create, 24, 8);
AT(struct patchbay_files, append, 32, 8);
IS(PATCHBAY_ABI_MAJOR, 1);
IS(PATCHBAY_MODULE_MAGIC, 1346519857);
IS(PATCHBAY_OK, 0);
IS(PATCHBAY_INVALID_INPUT, 1);
IS(PATCHBAY_AUTH_EXPIRED, 2);
IS(PATCHBAY_AUTH_DENIED, 3);
IS(PATCHBAY_RATE_LIMITED, 4);
IS(PATCHBAY_TRANSIENT, 5);
IS(PATCHBAY_PERMANENT, 6);
IS(PATCHBAY_CANCELLED, 7);
IS(PATCHBAY_UNSUPPORTED, 8);
IS(PATCHBAY_INTERNAL, 9);
IS(PATCHBAY_EFFECT_NONE, 0);
IS(PATCHBAY_EFFECT_MAYBE, 1);
IS(PATCHBAY_EFFECT_DONE, 2);
IS(PATCHBAY_HTTP_FOLLOW, 1);
IS(PATCHBAY_HTTP_NO_CREDENTIAL, 2);
IS(PATCHBAY_HTTP_REPEATABLE, 4);
IS(PATCHBAY_LOG_DEBUG, 0);
IS(PATCHBAY_LOG_INFO, 1);
IS(PATCHBAY_LOG_WARN, 2);
IS(PATCHBAY_LOG_ERROR, 3);
IS(PATCHBAY_KV_TRIGGER, 0);
IS(PATCHBAY_KV_CONNECTION, 1);
IS(PATCHBAY_KV_CONNECTOR, 2);
IS(PATCHBAY_SHA256, 1);
IS(PATCHBAY_SHA1, 2);
IS(PATCHBAY_SHA512, 3);
IS(PATCHBAY_HASH_MAX, 64);
IS(PATCHBAY_BASE64, 0);
IS(PATCHBAY_BASE64_URL, 1);
IS(PATCHBAY_BASE64_DECODE, 2);
IS(PATCHBAY_BASE64_URL_DECODE, 3);

#undef SIZE
#undef LEAST
#undef AT
#undef IS

#endif
