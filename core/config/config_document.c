/* SPDX-License-Identifier: Apache-2.0 */
/* The settings table for people, and the settings in force as a file that loads again. */
#include "config/config.h"

#include "config/config_private.h"
#include "base/base.h"

void config_document(struct pb_buf *out)
{
	size_t n;
	const struct config_setting *table = config_settings(&n);

	pb_buf_adds(out, "| setting | type | range | default | meaning |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < n; i++) {
		pb_buf_addf(out, "| %s | %s | ", table[i].name, config_type_name(table[i].type));
		config_range_write(&table[i], out);
		pb_buf_addf(out, " | %s | %s |\n",
			    *table[i].fallback ? table[i].fallback : "(empty)", table[i].doc);
	}
}

void config_dump(const struct config *cfg, struct pb_buf *out)
{
	size_t n;
	const struct config_setting *table = config_settings(&n);

	for (size_t i = 0; i < n; i++) {
		pb_buf_addf(out, "%s = ", table[i].name);
		config_value_write(cfg, &table[i], out);
		pb_buf_addc(out, '\n');
	}
}
