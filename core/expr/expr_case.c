/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case of letters by Unicode's simple mappings for the alphabets of our users. The C library's towupper() depends on
 * the locale of the process, so the same workflow could give other results on another machine.
 */
#include "expr/expr_case.h"

#include "base/base.h"

/*
 * A run of upper-case letters. Step 1: the lower-case letters are @delta further. Step 2: upper and lower alternate,
 * beginning with upper.
 */
struct run {
	uint16_t first, last;
	uint8_t step;
	uint8_t delta;
};

static const struct run runs[] = {
	{'A', 'Z', 1, 32},       {0x00c0, 0x00d6, 1, 32}, {0x00d8, 0x00de, 1, 32},
	{0x0100, 0x012f, 2, 1},  {0x0132, 0x0137, 2, 1},  {0x0139, 0x0148, 2, 1},
	{0x014a, 0x0177, 2, 1},  {0x0179, 0x017e, 2, 1},  {0x0391, 0x03a1, 1, 32},
	{0x03a3, 0x03a9, 1, 32}, {0x0410, 0x042f, 1, 32}, {0x0400, 0x040f, 1, 80},
	{0x0460, 0x0481, 2, 1},  {0x048a, 0x04bf, 2, 1},  {0x04c1, 0x04ce, 2, 1},
	{0x04d0, 0x052f, 2, 1},
};

uint32_t expr_case_lower(uint32_t cp)
{
	if (cp == 0x178)
		return 0xff;
	if (cp == 0x4c0)
		return 0x4cf;
	for (size_t i = 0; i < PB_ARRAY_LEN(runs); i++) {
		const struct run *r = &runs[i];

		if (cp >= r->first && cp <= r->last && (r->step == 1 || !((cp - r->first) & 1)))
			return cp + r->delta;
	}
	return cp;
}

uint32_t expr_case_upper(uint32_t cp)
{
	if (cp == 0xff)
		return 0x178;
	if (cp == 0x4cf)
		return 0x4c0;
	if (cp == 0x3c2) /* final sigma */
		return 0x3a3;
	for (size_t i = 0; i < PB_ARRAY_LEN(runs); i++) {
		const struct run *r = &runs[i];
		uint32_t up = cp - r->delta;

		if (cp >= r->delta && up >= r->first && up <= r->last &&
		    (r->step == 1 || !((up - r->first) & 1)))
			return up;
	}
	return cp;
}

static const char *const cyrillic[] = {
	"a", "b", "v", "g", "d", "e", "zh", "z",  "i",  "y",    "k", "l", "m", "n", "o",  "p",
	"r", "s", "t", "u", "f", "h", "ts", "ch", "sh", "shch", "",  "y", "",  "e", "yu", "ya"};

static const char *const latin1[] = {"a", "a",  "a", "a", "a", "a", "ae", "c", "e",  "e", "e",
				     "e", "i",  "i", "i", "i", "d", "n",  "o", "o",  "o", "o",
				     "o", NULL, "o", "u", "u", "u", "u",  "y", "th", "y"};

static const struct {
	uint16_t cp;
	const char *ascii;
} others[] = {
	{0x00df, "ss"}, {0x0451, "e"}, {0x0456, "i"}, {0x0457, "yi"}, {0x0454, "ye"}, {0x0491, "g"},
	{0x04d9, "a"},  {0x0493, "g"}, {0x049b, "q"}, {0x04a3, "n"},  {0x04e9, "o"},  {0x04b1, "u"},
	{0x04af, "u"},  {0x04bb, "h"}, {0x0105, "a"}, {0x0107, "c"},  {0x0119, "e"},  {0x0142, "l"},
	{0x0144, "n"},  {0x015b, "s"}, {0x017a, "z"}, {0x017c, "z"},  {0x010d, "c"},  {0x0161, "s"},
	{0x017e, "z"},  {0x0159, "r"}, {0x011b, "e"}, {0x016f, "u"},  {0x010f, "d"},  {0x0165, "t"},
	{0x0148, "n"},  {0x0151, "o"}, {0x0171, "u"}, {0x0131, "i"},  {0x011f, "g"},  {0x015f, "s"},
	{0x0153, "oe"},
};

const char *expr_case_ascii(uint32_t lower)
{
	if (lower >= 0x430 && lower <= 0x44f)
		return cyrillic[lower - 0x430];
	if (lower >= 0xe0 && lower <= 0xff)
		return latin1[lower - 0xe0];
	for (size_t i = 0; i < PB_ARRAY_LEN(others); i++) {
		if (others[i].cp == lower)
			return others[i].ascii;
	}
	return NULL;
}
