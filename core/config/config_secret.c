/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that hold secrets. Group or world may not read them, with one exception that surprises:
 * systemd's LoadCredential= gives a service user access by ACL, which shows as group bits on a file
 * owned by root. So inside $CREDENTIALS_DIRECTORY a root-owned file may show group-read.
 */
#define PB_ALLOW_GETENV /* CREDENTIALS_DIRECTORY is set by systemd, not by a user of settings */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "config/config_private.h"
#include "base/base.h"

static bool in_credentials_dir(const char *path)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	size_t n = dir ? strlen(dir) : 0;

	return n > 1 && dir[0] == '/' && strncmp(path, dir, n) == 0 && path[n] == '/' &&
	       !strchr(path + n + 1, '/');
}

static enum pb_status check_mode(const char *setting, const char *path, const struct stat *st,
				 struct pb_err *err)
{
	mode_t forbidden = S_IRWXG | S_IRWXO;

	if (!S_ISREG(st->st_mode))
		return pb_err_set(err, PB_E_INVALID, "config.file",
				  "%s: its file is not a regular file; give the path of a file",
				  setting);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return pb_err_set(
			err, PB_E_INVALID, "config.file",
			"%s: its file belongs to another user (uid %u); chown it to uid %u or root",
			setting, (unsigned)st->st_uid, (unsigned)geteuid());
	if (st->st_uid == 0 && in_credentials_dir(path))
		forbidden = S_IWGRP | S_IXGRP | S_IRWXO;
	if (st->st_mode & forbidden)
		return pb_err_set(
			err, PB_E_INVALID, "config.file",
			"%s: its file has mode %04o and others could read it; chmod 0600 it",
			setting, (unsigned)(st->st_mode & 07777));
	if (st->st_size == 0)
		return pb_err_set(err, PB_E_INVALID, "config.file",
				  "%s: its file is empty; write the secret into it", setting);
	return PB_OK;
}

enum pb_status config_secret_open(const char *setting, const char *path, int *ret_fd,
				  struct pb_err *err)
{
	/* O_NONBLOCK: a fifo must not hang the start */
	pb_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	enum pb_status status;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return pb_err_set(
			err, PB_E_INVALID, "config.file",
			"%s: its file cannot be opened (%s); check the path and who may read it",
			setting,
			errno == ENOENT || errno == ENOTDIR ? "it does not exist"
			: errno == EACCES                   ? "permission denied"
							    : "system error");
	status = check_mode(setting, path, &st, err);
	if (status != PB_OK)
		return status;
	*ret_fd = pb_steal_fd(fd);
	return PB_OK;
}

/* Reads until the end or @cap bytes; -1 on an error. */
static ssize_t read_all(int fd, char *buf, size_t cap)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t got = read(fd, buf + n, cap - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

enum pb_status config_secret_read(const struct config *cfg, const char *setting, char *buf,
				  size_t cap, size_t *ret_len, struct pb_err *err)
{
	const struct config_setting *s = config_setting_find(setting);
	pb_autoclose int fd = -1;
	enum pb_status status;
	const char *path;
	ssize_t n;

	PB_ASSERT(s && s->type == CONFIG_SECRET_FILE && cap > 1);
	path = *(char *const *)config_field_const(cfg, s);
	if (!*path)
		return pb_err_set(err, PB_E_INVALID, "config.required",
				  "%s is not set; give it the path of a file with mode 0600",
				  setting);
	status = config_secret_open(setting, path, &fd, err);
	if (status != PB_OK)
		return status;
	n = read_all(fd, buf, cap);
	if (n < 0)
		return pb_err_set(err, PB_E_INVALID, "config.file", "%s: its file cannot be read",
				  setting);
	if ((size_t)n == cap) {
		explicit_bzero(buf, cap);
		return pb_err_set(
			err, PB_E_INVALID, "config.file",
			"%s: its file is longer than %zu bytes; it must hold the secret alone",
			setting, cap - 1);
	}
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	explicit_bzero(buf + n, cap - (size_t)n);
	if (n == 0 || memchr(buf, '\0', (size_t)n))
		return pb_err_set(err, PB_E_INVALID, "config.file",
				  "%s: its file must hold the secret as text", setting);
	*ret_len = (size_t)n;
	return PB_OK;
}
