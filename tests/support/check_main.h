/* SPDX-License-Identifier: Apache-2.0 */
/* The end of every check program: CHECK_MAIN(suite_function). Include after check.h. */
#ifndef PB_TESTS_SUPPORT_CHECK_MAIN_H
#define PB_TESTS_SUPPORT_CHECK_MAIN_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* For tests that the sanitizers would not let through, such as asking for absurd sizes. */
#ifdef PB_SANITIZED
#define CHECK_SANITIZED true
#else
#define CHECK_SANITIZED false
#endif

/* False in sanitizer and debugger runs: a test that must die cannot run without its own process. */
static inline bool check_forks(void)
{
	const char *v = (getenv)("CK_FORK");

	return !v || strcmp(v, "no") != 0;
}

#define CHECK_MAIN(suite_fn)                                                                       \
	int main(void)                                                                             \
	{                                                                                          \
		SRunner *sr = srunner_create(suite_fn());                                          \
		int failed;                                                                        \
                                                                                                   \
		srunner_run_all(sr, CK_ENV);                                                       \
		failed = srunner_ntests_failed(sr);                                                \
		srunner_free(sr);                                                                  \
		return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                       \
	}

#endif
