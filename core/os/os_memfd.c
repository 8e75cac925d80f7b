/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed copies for the supervisor (makes them) and the runner (insists on them). */
#include "os/os_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/base.h"

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static enum pb_status copy(int from, int to, size_t bytes, struct pb_err *err)
{
	off_t offset = 0;
	ssize_t n;

	while ((size_t)offset < bytes) {
		n = sendfile(to, from, &offset, bytes - (size_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return pb_err_set(err, PB_E_UNAVAILABLE, "os.memfd", "copying failed: %s",
					  strerrorname_np(errno));
		if (n == 0)
			return pb_err_set(err, PB_E_INVALID, "os.memfd_file",
					  "the file shrank while it was read");
	}
	return PB_OK;
}

enum pb_status os_memfd_seal_file(int from_fd, size_t max_bytes, const char *name, int *ret_fd,
				  struct pb_err *err)
{
	pb_autoclose int fd = -1;
	enum pb_status status;
	struct stat st;

	if (fstat(from_fd, &st) != 0 || !S_ISREG(st.st_mode))
		return pb_err_set(err, PB_E_INVALID, "os.memfd_file", "not a regular file");
	if (st.st_size < 0 || (uint64_t)st.st_size > max_bytes)
		return pb_err_set(err, PB_E_TOO_LARGE, "os.memfd_size", "the file is too large");
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return pb_err_set(err, PB_E_UNAVAILABLE, "os.memfd", "no memfd: %s",
				  strerrorname_np(errno));
	status = copy(from_fd, fd, (size_t)st.st_size, err);
	if (status != PB_OK)
		return status;
	if (lseek(fd, 0, SEEK_SET) != 0 || fcntl(fd, F_ADD_SEALS, ALL_SEALS) != 0)
		return pb_err_set(err, PB_E_UNAVAILABLE, "os.memfd", "sealing failed: %s",
				  strerrorname_np(errno));
	*ret_fd = pb_steal_fd(fd);
	return PB_OK;
}

bool os_memfd_is_sealed(int fd)
{
	const int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & ALL_SEALS) == ALL_SEALS;
}
