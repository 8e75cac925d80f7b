/* SPDX-License-Identifier: Apache-2.0 */
/* Every text parser of base on any bytes: what is accepted must survive the way back. */
#include "base/parse.h"

#include "base/id.h"
#include "base/base.h"

static void check_numbers(const char *s, size_t n)
{
	char text[32];
	int64_t i;
	uint64_t u;
	double d, back;

	if (pb_parse_i64(s, n, INT64_MIN, INT64_MAX, &i)) {
		PB_ASSERT(pb_str_printf(text, sizeof(text), "%lld", (long long)i));
		PB_ASSERT(pb_slice_eq_str(pb_slice(s, n), text));
	}
	if (pb_parse_u64(s, n, UINT64_MAX, &u)) {
		PB_ASSERT(pb_str_printf(text, sizeof(text), "%llu", (unsigned long long)u));
		PB_ASSERT(pb_slice_eq_str(pb_slice(s, n), text));
	}
	if (pb_parse_double(s, n, &d)) {
		size_t k = pb_format_double(d, text);
		bool ok = pb_parse_double(text, k, &back);

		PB_ASSERT(ok && memcmp(&d, &back, sizeof(d)) == 0);
	}
}

static void check_texts(const char *s, size_t n)
{
	char when[PB_RFC3339_BYTES], id_text[PB_UUID_TEXT_BYTES];
	struct pb_uuid id, id_again;
	int64_t us, again;
	uint64_t bytes;
	uint32_t cp;

	if (pb_parse_duration(s, n, &us))
		PB_ASSERT(us >= 0);
	if (pb_parse_size(s, n, &bytes))
		PB_ASSERT(bytes <= INT64_MAX);
	if (pb_parse_rfc3339(s, n, &us)) {
		pb_format_rfc3339(us, when);
		/* an offset can lead out of the four digits of year */
		if (pb_parse_rfc3339(when, strlen(when), &again) && again != us)
			PB_ASSERT(pb_str_starts(when, "0000-") || pb_str_starts(when, "9999-"));
	}
	if (pb_uuid_parse(s, n, &id)) {
		bool ok;

		pb_uuid_format(id, id_text);
		ok = pb_uuid_parse(id_text, sizeof(id_text) - 1, &id_again);
		PB_ASSERT(ok && pb_uuid_eq(id, id_again));
	}
	for (size_t i = 0; i < n;) {
		size_t k = pb_utf8_decode(s + i, n - i, &cp);

		PB_ASSERT(k || !pb_utf8_valid(s, n));
		i += k ? k : 1;
	}
	PB_ASSERT(pb_utf8_cut(s, n, n / 2) <= n / 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_numbers((const char *)data, size);
	check_texts((const char *)data, size);
	return 0;
}
