/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one thing every .c file includes last: the banned functions. Everything else of `base` is
 * included by name (base/json.h, base/lock.h, ...), so that each file shows what it stands on.
 */
#ifndef PB_BASE_BASE_H
#define PB_BASE_BASE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/banned.h"

#endif
