/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that can no longer change: a copy in memory, sealed against writing, growing and shrinking,
 * so that what was hashed is what is loaded.
 */
#ifndef PB_OS_MEMFD_H
#define PB_OS_MEMFD_H

#include "base/err.h"

/*
 * Copies the whole of @from_fd (read from offset 0) into a new sealed memfd.
 * Owner:  *ret_fd owned, close(). Its position is 0.
 * Errors: PB_E_TOO_LARGE os.memfd_size, PB_E_INVALID os.memfd_file (not a regular file, or changed
 *         meanwhile), PB_E_UNAVAILABLE os.memfd.
 */
enum pb_status os_memfd_seal_file(int from_fd, size_t max_bytes, const char *name, int *ret_fd,
				  struct pb_err *err) pb_must_check;
/* True for a memfd with all four seals. */
bool os_memfd_is_sealed(int fd);

#endif
