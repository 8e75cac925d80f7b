/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gzip stream of zeros, written without a compression library: one deflate block with the fixed
 * codes, first the literal 0, then "258 bytes from distance 1" again and again. Such a match is 13
 * bits, so eight of them (2064 zeros) are 13 whole bytes: the pattern, whatever bit it begins at.
 * The stream expands 158 times and its checksum is right, so only a limit on what comes out stops a
 * reader.
 */
#include "sink.h"

#include "base/base.h"

/*
 * In the order of sending: 1 last block, 10 fixed codes, 00110000 literal 0, then matches 11000101
 * 00000. Byte 0 holds the first eight of these 11 + 13*n bits, byte 1 the last three of the literal
 * and the first five of a match; thirteen bytes later the three bits before a match are zero too,
 * so bytes repeat from 1.
 */
static const uint8_t HEAD[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0x63};
static const uint8_t PATTERN[] = {0x18, 0x05, 0xa3, 0x60, 0x14, 0x8c, 0x82,
				  0x51, 0x30, 0x0a, 0x46, 0xc1, 0x28};
/* The last match's three zero bits and the end of the block, 0000000. */
static const uint8_t END[] = {0, 0};

void sink_bomb_head(struct pb_buf *out)
{
	pb_buf_add(out, HEAD, sizeof(HEAD));
}

void sink_bomb_pattern(struct pb_buf *out, uint64_t times)
{
	for (; times > 0; times--)
		pb_buf_add(out, PATTERN, sizeof(PATTERN));
}

static uint32_t crc_of_zeros(uint64_t n)
{
	uint32_t table[256], crc = 0xffffffffu;

	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int k = 0; k < 8; k++)
			table[i] = table[i] & 1 ? 0xedb88320u ^ (table[i] >> 1) : table[i] >> 1;
	}
	for (; n > 0; n--)
		crc = table[crc & 0xff] ^ (crc >> 8);
	return ~crc;
}

void sink_bomb_tail(struct pb_buf *out, uint64_t patterns)
{
	uint64_t zeros = 1 + patterns * SINK_BOMB_PATTERN_BYTES;
	uint32_t crc = crc_of_zeros(zeros), size = (uint32_t)zeros;

	pb_buf_add(out, END, sizeof(END));
	for (int i = 0; i < 4; i++)
		pb_buf_addc(out, (char)(crc >> (8 * i)));
	for (int i = 0; i < 4; i++)
		pb_buf_addc(out, (char)(size >> (8 * i)));
}

uint64_t sink_bomb_size(uint64_t patterns)
{
	return sizeof(HEAD) + patterns * sizeof(PATTERN) + sizeof(END) + 8;
}
