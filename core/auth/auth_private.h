/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of this module only. */
#ifndef PB_AUTH_AUTH_PRIVATE_H
#define PB_AUTH_AUTH_PRIVATE_H

#include "auth/auth.h"
#include "auth/auth_cache.h"

struct auth {
	uint32_t magic;
	struct pg_pool *pool;
	const struct crypto_secret *key_subkey;
	struct auth_cache *cache;
};

#define AUTH_MAGIC 0x41555448u

/*
 * Makes a key for @tenant and stores its hash; checks nothing about who may.
 * Owner:  @ret_key as in auth_key_create().
 * Errors: those of store_api_key_create(); api_key.name.
 */
enum pb_status auth_key_make(struct pg_pool *pool, const struct crypto_secret *key_subkey,
			     struct pb_uuid tenant, struct pb_uuid created_by,
			     const struct auth_key_request *req, struct pb_uuid *ret_id,
			     char ret_key[AUTH_KEY_TEXT_BYTES], struct pb_err *err) pb_must_check;

#endif
