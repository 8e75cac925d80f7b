/* SPDX-License-Identifier: Apache-2.0 */
/* Wrapped data keys per tenant and the wrapped platform root key. Nothing here can be read without
 * the master key. */
#ifndef PB_STORE_STORE_DATA_KEY_H
#define PB_STORE_STORE_DATA_KEY_H

#include "base/err.h"
#include "base/id.h"

struct pg_pool;

#define STORE_WRAPPED_MAX  128
#define STORE_KEK_ID_BYTES 32

struct store_data_key {
	struct pb_uuid tenant; /* nil for the platform root key */
	uint32_t id;           /* 1, 2, ... within the tenant; the newest seals */
	char kek_id[STORE_KEK_ID_BYTES];
	uint8_t wrapped[STORE_WRAPPED_MAX];
	size_t wrapped_n;
};

/* @id 0 means the newest. Errors: PB_E_NOT_FOUND data_key.not_found. */
enum pb_status store_data_key_get(struct pg_pool *pool, struct pb_uuid tenant, uint32_t id,
				  struct store_data_key *ret, struct pb_err *err) pb_must_check;
/*
 * Inserts @key; when another process was faster with the same id, nothing changes.
 * Errors: PB_E_CONFLICT data_key.exists, PB_E_NOT_FOUND tenant.not_found.
 */
enum pb_status store_data_key_insert(struct pg_pool *pool, const struct store_data_key *key,
				     struct pb_err *err) pb_must_check;
/* Destroys all keys of @tenant. */
enum pb_status store_data_key_shred(struct pg_pool *pool, struct pb_uuid tenant,
				    struct pb_err *err) pb_must_check;

/* Admin pool: up to @cap keys (any tenant, not the root) whose master key is not @kek_id. */
enum pb_status store_data_key_list_other_kek(struct pg_pool *admin, const char *kek_id,
					     struct store_data_key *out, size_t cap, size_t *ret_n,
					     struct pb_err *err) pb_must_check;
/* Replaces the wrapping if it is still @old_kek_id. Errors: PB_E_CONFLICT data_key.changed. */
enum pb_status store_data_key_rewrap(struct pg_pool *admin, const struct store_data_key *key,
				     const char *old_kek_id, struct pb_err *err) pb_must_check;

/* The platform root key: the same three verbs for the one row of platform_key. */
enum pb_status store_platform_key_get(struct pg_pool *pool, struct store_data_key *ret,
				      struct pb_err *err) pb_must_check;
enum pb_status store_platform_key_insert(struct pg_pool *pool, const struct store_data_key *key,
					 struct pb_err *err) pb_must_check;
enum pb_status store_platform_key_rewrap(struct pg_pool *admin, const struct store_data_key *key,
					 const char *old_kek_id, struct pb_err *err) pb_must_check;

#endif
