/* SPDX-License-Identifier: Apache-2.0 */
/* Making and recognising the text of API keys. Nothing here knows which keys exist. */
#include "auth/auth_key.h"

#include "base/id.h"
#include "crypto/crypto_encode.h"
#include "base/base.h"

#define PREFIX_LEN 7  /* "pb_key_" */
#define RANDOM_N   32 /* 256 bits: no dictionary, so a fast keyed hash is enough */
#define RANDOM_LEN 43
#define CRC_LEN    8
#define KEY_LEN    (PREFIX_LEN + RANDOM_LEN + 1 + CRC_LEN)

_Static_assert(KEY_LEN + 1 == AUTH_KEY_TEXT_BYTES, "the documented size");

static const char *const prefixes[] = {
	[AUTH_KEY_TENANT] = "pb_key_", [AUTH_KEY_PLATFORM] = "pb_adm_"};

/* CRC-32 (IEEE 802.3), bit by bit: 50 bytes a call do not deserve a table. */
static uint32_t crc32_of(const char *s, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= (uint8_t)s[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

static void write_crc(const char *s, size_t n, char out[CRC_LEN + 1])
{
	uint32_t crc = crc32_of(s, n);
	const uint8_t b[4] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
			      (uint8_t)crc};

	pb_hex(b, sizeof b, out);
}

void auth_key_generate(enum auth_key_kind kind, char out[AUTH_KEY_TEXT_BYTES])
{
	uint8_t rnd[RANDOM_N];

	pb_random_bytes(rnd, sizeof rnd);
	memcpy(out, prefixes[kind], PREFIX_LEN);
	(void)crypto_base64url_encode(rnd, sizeof rnd, out + PREFIX_LEN); /* always 43 */
	crypto_wipe(rnd, sizeof rnd);
	out[PREFIX_LEN + RANDOM_LEN] = '_';
	write_crc(out, PREFIX_LEN + RANDOM_LEN, out + PREFIX_LEN + RANDOM_LEN + 1);
}

bool auth_key_wellformed(const char *s, size_t n)
{
	uint8_t rnd[RANDOM_N];
	char crc[CRC_LEN + 1];
	size_t rnd_n = 0;
	bool ok;

	if (n != KEY_LEN || (memcmp(s, prefixes[AUTH_KEY_TENANT], PREFIX_LEN) != 0 &&
			     memcmp(s, prefixes[AUTH_KEY_PLATFORM], PREFIX_LEN) != 0))
		return false;
	ok = crypto_base64url_decode(s + PREFIX_LEN, RANDOM_LEN, rnd, sizeof rnd, &rnd_n) &&
	     rnd_n == RANDOM_N;
	crypto_wipe(rnd, sizeof rnd);
	write_crc(s, PREFIX_LEN + RANDOM_LEN, crc);
	return ok && s[PREFIX_LEN + RANDOM_LEN] == '_' &&
	       crypto_equal(crc, s + PREFIX_LEN + RANDOM_LEN + 1, CRC_LEN);
}

void auth_key_hint(const char *key, char out[AUTH_KEY_HINT_BYTES])
{
	(void)pb_str_printf(out, AUTH_KEY_HINT_BYTES, "%.*s", PREFIX_LEN + 4, key); /* fits */
}

void auth_key_hash(const struct crypto_secret *subkey, const char *s, size_t n,
		   uint8_t out[CRYPTO_HASH_BYTES])
{
	crypto_blake2b(subkey, s, n, out);
}
