/* SPDX-License-Identifier: Apache-2.0 */
/* Private to expr: upper and lower case without a locale, and plain letters for slugs. */
#ifndef PB_EXPR_CASE_H
#define PB_EXPR_CASE_H

#include "base/macro.h"

/* Latin, Greek and Cyrillic letters that have exactly one partner; anything else is itself. */
uint32_t expr_case_upper(uint32_t cp);
uint32_t expr_case_lower(uint32_t cp);
/* A lower-case letter in ASCII ("щ" -> "shch", "é" -> "e"); NULL when there is none, "" when it is silent. */
const char *expr_case_ascii(uint32_t lower);

#endif
