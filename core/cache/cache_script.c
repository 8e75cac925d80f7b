/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts by their SHA-1. The digest is no secret and no signature here, only Redis's name for a script;
 * so the few lines of SHA-1 are written out instead of standing on a crypto library.
 */
#include "base/clock.h"
#include "cache/cache_priv.h"
#include "base/base.h"

static uint32_t rotl(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static void sha1_block(uint32_t h[5], const uint8_t *p)
{
	static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t w[80], v[5];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		       (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(v, h, sizeof(v));
	for (int i = 0; i < 80; i++) {
		uint32_t f = v[1] ^ v[2] ^ v[3], t = 0;

		if (i < 20)
			f = (v[1] & v[2]) | (~v[1] & v[3]);
		else if (i >= 40 && i < 60)
			f = (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]);
		t = rotl(v[0], 5) + f + v[4] + k[i / 20] + w[i];
		v[4] = v[3];
		v[3] = v[2];
		v[2] = rotl(v[1], 30);
		v[1] = v[0];
		v[0] = t;
	}
	for (int i = 0; i < 5; i++)
		h[i] += v[i];
}

static void sha1_hex(const char *text, char out[41])
{
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	size_t n = strlen(text), i = 0;
	uint8_t tail[128] = {0}, digest[20];
	size_t rest = 0, total = 0;

	for (i = 0; i + 64 <= n; i += 64)
		sha1_block(h, (const uint8_t *)text + i);
	rest = n - i;
	memcpy(tail, text + i, rest);
	tail[rest] = 0x80;
	total = rest + 9 <= 64 ? 64 : 128;
	for (int b = 0; b < 8; b++)
		tail[total - 1 - (size_t)b] = (uint8_t)((uint64_t)n * 8 >> (8 * b));
	for (i = 0; i < total; i += 64)
		sha1_block(h, tail + i);
	for (i = 0; i < 20; i++)
		digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
	pb_hex(digest, sizeof(digest), out);
}

void cache_script_init(struct cache_script *s, const char *lua)
{
	s->lua = lua;
	sha1_hex(lua, s->sha);
}

/* Fills argv for EVALSHA or EVAL; returns how many. */
static size_t fill(const char **argv, size_t *lens, const struct pb_slice *keys, size_t n_keys,
		   const struct pb_slice *args, size_t n_args, char count[16])
{
	size_t n = 3;

	(void)pb_str_printf(count, 16, "%zu", n_keys);
	argv[2] = count;
	lens[2] = strlen(count);
	for (size_t i = 0; i < n_keys; i++, n++) {
		argv[n] = keys[i].p;
		lens[n] = keys[i].len;
	}
	for (size_t i = 0; i < n_args; i++, n++) {
		argv[n] = args[i].p;
		lens[n] = args[i].len;
	}
	return n;
}

enum pb_status cache_eval(struct cache *c, const struct cache_script *script,
			  const struct pb_slice *keys, size_t n_keys, const struct pb_slice *args,
			  size_t n_args, int64_t *ret, size_t n_ret, struct pb_err *err)
{
	const char *argv[CACHE_ARGS_MAX + 3] = {"EVALSHA", script->sha};
	size_t lens[CACHE_ARGS_MAX + 3] = {7, 40};
	struct cache_call call = {0};
	struct redisReply *r = NULL;
	enum pb_status st = PB_OK;
	char count[16];
	size_t n = 0;

	PB_ASSERT(n_keys + n_args <= CACHE_ARGS_MAX);
	st = cache_call_begin(c, &call, false, err);
	if (st != PB_OK)
		return st;
	n = fill(argv, lens, keys, n_keys, args, n_args, count);
	r = cache_call_run(&call, n, argv, lens);
	if (r && cache_reply_is_noscript(r)) {
		cache_reply_free(r);
		argv[0] = "EVAL";
		lens[0] = 4;
		argv[1] = script->lua;
		lens[1] = strlen(script->lua);
		r = cache_call_run(&call, n, argv, lens);
	}
	cache_call_end(&call);
	if (!r || cache_reply_is_error(r))
		st = pb_err_set(err, PB_E_UNAVAILABLE, "cache.unavailable",
				"the cache is not available");
	else if (!cache_reply_ints(r, ret, n_ret))
		st = pb_err_set(err, PB_E_INTERNAL, "cache.answer",
				"the cache gave another answer");
	cache_reply_free(r);
	return st;
}
