/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-1, SHA-256 and SHA-512 (FIPS 180-4), HMAC (RFC 2104), base64 (RFC 4648) for connectors' calls. The
 * three digests share one block buffer and one padding; only the compression differs.
 */
#include "runner/runner_hash.h"

#include <string.h>

#include "base/base.h"

static const uint64_t k512[80] = {
	0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
	0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
	0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
	0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
	0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
	0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
	0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
	0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
	0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
	0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
	0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
	0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
	0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
	0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
	0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
	0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
	0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
	0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
	0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
	0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

/* SHA-256's constants are the upper halves of the first 64 of SHA-512's (both: cube roots of primes). */
static uint32_t k256(size_t i)
{
	return (uint32_t)(k512[i] >> 32);
}

static uint32_t rotl32(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static uint32_t rotr32(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static uint64_t rotr64(uint64_t x, unsigned n)
{
	return x >> n | x << (64 - n);
}

static uint64_t get_be(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

static void put_be(uint8_t *p, uint64_t v, size_t bytes)
{
	for (size_t i = bytes; i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

static void sha1_block(uint32_t h[5], const uint8_t *p)
{
	static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t w[80], s[5], f, t;

	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)get_be(p + 4 * i, 4);
	for (size_t i = 16; i < 80; i++)
		w[i] = rotl32(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(s, h, sizeof(s));
	for (size_t i = 0; i < 80; i++) {
		if (i < 20)
			f = (s[1] & s[2]) | (~s[1] & s[3]);
		else if (i >= 40 && i < 60)
			f = (s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3]);
		else
			f = s[1] ^ s[2] ^ s[3];
		t = rotl32(s[0], 5) + f + s[4] + k[i / 20] + w[i];
		s[4] = s[3];
		s[3] = s[2];
		s[2] = rotl32(s[1], 30);
		s[1] = s[0];
		s[0] = t;
	}
	for (size_t i = 0; i < 5; i++)
		h[i] += s[i];
}

static void sha256_block(uint32_t h[8], const uint8_t *p)
{
	uint32_t w[64], s[8], t1, t2, a, b;

	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)get_be(p + 4 * i, 4);
	for (size_t i = 16; i < 64; i++) {
		a = rotr32(w[i - 15], 7) ^ rotr32(w[i - 15], 18) ^ (w[i - 15] >> 3);
		b = rotr32(w[i - 2], 17) ^ rotr32(w[i - 2], 19) ^ (w[i - 2] >> 10);
		w[i] = w[i - 16] + a + w[i - 7] + b;
	}
	memcpy(s, h, sizeof(s));
	for (size_t i = 0; i < 64; i++) {
		a = rotr32(s[4], 6) ^ rotr32(s[4], 11) ^ rotr32(s[4], 25);
		t1 = s[7] + a + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k256(i) + w[i];
		b = rotr32(s[0], 2) ^ rotr32(s[0], 13) ^ rotr32(s[0], 22);
		t2 = b + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
		memmove(s + 1, s, 7 * sizeof(s[0]));
		s[4] += t1;
		s[0] = t1 + t2;
	}
	for (size_t i = 0; i < 8; i++)
		h[i] += s[i];
}

static void sha512_block(uint64_t h[8], const uint8_t *p)
{
	uint64_t w[80], s[8], t1, t2, a, b;

	for (size_t i = 0; i < 16; i++)
		w[i] = get_be(p + 8 * i, 8);
	for (size_t i = 16; i < 80; i++) {
		a = rotr64(w[i - 15], 1) ^ rotr64(w[i - 15], 8) ^ (w[i - 15] >> 7);
		b = rotr64(w[i - 2], 19) ^ rotr64(w[i - 2], 61) ^ (w[i - 2] >> 6);
		w[i] = w[i - 16] + a + w[i - 7] + b;
	}
	memcpy(s, h, sizeof(s));
	for (size_t i = 0; i < 80; i++) {
		a = rotr64(s[4], 14) ^ rotr64(s[4], 18) ^ rotr64(s[4], 41);
		t1 = s[7] + a + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k512[i] + w[i];
		b = rotr64(s[0], 28) ^ rotr64(s[0], 34) ^ rotr64(s[0], 39);
		t2 = b + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
		memmove(s + 1, s, 7 * sizeof(s[0]));
		s[4] += t1;
		s[0] = t1 + t2;
	}
	for (size_t i = 0; i < 8; i++)
		h[i] += s[i];
}

size_t runner_hash_bytes(uint32_t algorithm)
{
	switch (algorithm) {
	case RUNNER_SHA1:
		return 20;
	case RUNNER_SHA256:
		return 32;
	case RUNNER_SHA512:
		return 64;
	default:
		return 0;
	}
}

static size_t block_bytes(enum runner_hash algorithm)
{
	return algorithm == RUNNER_SHA512 ? 128 : 64;
}

void runner_hash_init(struct runner_hash_state *s, enum runner_hash algorithm)
{
	static const uint32_t h1[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	static const uint32_t h256[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	static const uint64_t h512[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
					 0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
					 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

	memset(s, 0, sizeof(*s));
	s->algorithm = algorithm;
	if (algorithm == RUNNER_SHA1)
		memcpy(s->h32, h1, sizeof(h1));
	else if (algorithm == RUNNER_SHA256)
		memcpy(s->h32, h256, sizeof(h256));
	else
		memcpy(s->h64, h512, sizeof(h512));
}

static void compress(struct runner_hash_state *s)
{
	if (s->algorithm == RUNNER_SHA1)
		sha1_block(s->h32, s->block);
	else if (s->algorithm == RUNNER_SHA256)
		sha256_block(s->h32, s->block);
	else
		sha512_block(s->h64, s->block);
	s->used = 0;
}

void runner_hash_add(struct runner_hash_state *s, const void *p, size_t n)
{
	const size_t block = block_bytes(s->algorithm);
	const uint8_t *in = p;
	size_t take;

	s->bytes += n;
	while (n > 0) {
		take = PB_MIN(n, block - s->used);
		memcpy(s->block + s->used, in, take);
		s->used += take;
		in += take;
		n -= take;
		if (s->used == block)
			compress(s);
	}
}

void runner_hash_end(struct runner_hash_state *s, uint8_t *out)
{
	const size_t block = block_bytes(s->algorithm);
	const size_t word = s->algorithm == RUNNER_SHA512 ? 8 : 4;
	const uint64_t bits = s->bytes * 8;

	s->block[s->used++] = 0x80;
	if (s->used > block - 2 * word) {
		memset(s->block + s->used, 0, block - s->used);
		compress(s);
	}
	/* lengths stay far under 2^64 bits: the upper half of SHA-512's length is 0 */
	memset(s->block + s->used, 0, block - s->used);
	put_be(s->block + block - 8, bits, 8);
	compress(s);
	for (size_t i = 0; i < runner_hash_bytes((uint32_t)s->algorithm) / word; i++)
		put_be(out + i * word, word == 8 ? s->h64[i] : s->h32[i], word);
	explicit_bzero(s, sizeof(*s));
}

void runner_hmac(enum runner_hash algorithm, const void *key, size_t key_len, const void *data,
		 size_t n, uint8_t *out)
{
	const size_t block = block_bytes(algorithm);
	const size_t digest = runner_hash_bytes((uint32_t)algorithm);
	uint8_t pad[RUNNER_BLOCK_MAX] = {0};
	struct runner_hash_state s;

	if (key_len > block) {
		runner_hash_init(&s, algorithm);
		runner_hash_add(&s, key, key_len);
		runner_hash_end(&s, pad);
	} else if (key_len > 0) {
		memcpy(pad, key, key_len);
	}
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36;
	runner_hash_init(&s, algorithm);
	runner_hash_add(&s, pad, block);
	runner_hash_add(&s, data, n);
	runner_hash_end(&s, out);
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	runner_hash_init(&s, algorithm);
	runner_hash_add(&s, pad, block);
	runner_hash_add(&s, out, digest);
	runner_hash_end(&s, out);
	explicit_bzero(pad, sizeof(pad));
}

/* ---- base64 ---- */

static const char alphabet[2][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};

size_t runner_base64_encode(const void *p, size_t n, bool url, char *out)
{
	const char *const digit = alphabet[url];
	const uint8_t *in = p;
	size_t len = 0;
	uint32_t v;

	for (size_t i = 0; i < n; i += 3) {
		const size_t have = PB_MIN((size_t)3, n - i);

		v = (uint32_t)in[i] << 16;
		if (have > 1)
			v |= (uint32_t)in[i + 1] << 8;
		if (have > 2)
			v |= in[i + 2];
		out[len++] = digit[v >> 18];
		out[len++] = digit[v >> 12 & 63];
		if (have > 1)
			out[len++] = digit[v >> 6 & 63];
		else if (!url)
			out[len++] = '=';
		if (have > 2)
			out[len++] = digit[v & 63];
		else if (!url)
			out[len++] = '=';
	}
	out[len] = 0;
	return len;
}

static int value_of(char c, bool url)
{
	const char *at = c ? strchr(alphabet[url], c) : NULL;

	return at ? (int)(at - alphabet[url]) : -1;
}

bool runner_base64_decode(const char *s, size_t n, bool url, uint8_t *out, size_t *ret_len)
{
	uint32_t v = 0;
	unsigned bits = 0;
	size_t len = 0;
	int digit;

	if (!url) {
		if (n % 4 != 0)
			return false;
		for (size_t pads = 0; pads < 2 && n > 0 && s[n - 1] == '='; pads++)
			n--;
	}
	if (n % 4 == 1)
		return false;
	for (size_t i = 0; i < n; i++) {
		digit = value_of(s[i], url);
		if (digit < 0)
			return false;
		v = v << 6 | (uint32_t)digit;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[len++] = (uint8_t)(v >> bits);
		}
	}
	if (bits > 0 && (v & ((1u << bits) - 1)) != 0)
		return false;
	*ret_len = len;
	return true;
}

void runner_idempotency_key(const char *base, const char *purpose, char out[RUNNER_KEY_BYTES])
{
	static const char domain[] = "patchbay-idempotency-1"; /* its NUL is the separator */
	char text[sizeof(domain) + 64];
	const size_t n = PB_MIN(strlen(purpose), (size_t)64);
	uint8_t mac[32];

	memcpy(text, domain, sizeof(domain));
	memcpy(text + sizeof(domain), purpose, n);
	runner_hmac(RUNNER_SHA256, base, strlen(base), text, sizeof(domain) + n, mac);
	(void)runner_base64_encode(mac, sizeof(mac), true, out);
}
