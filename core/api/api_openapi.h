/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of core/api/openapi.json, put into the program by the build. */
#ifndef PB_API_OPENAPI_H
#define PB_API_OPENAPI_H

#include <stddef.h>

extern const unsigned char api_openapi_bytes[];
extern const size_t api_openapi_n;

#endif
