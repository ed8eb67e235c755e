/* SPDX-License-Identifier: ISC */
#include "tempdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

static char path[256];
static int dirfd_ = -1;

void tempdir_make(void)
{
	const char *top = getenv("TMPDIR");
	int n;

	n = snprintf(path, sizeof(path), "%s/coffer-unit-XXXXXX",
		     top ? top : "/tmp");
	ck_assert_int_lt(n, (int)sizeof(path));
	ck_assert_ptr_nonnull(mkdtemp(path));
	dirfd_ = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dirfd_, 0);
}

static int remove_entry(const char *name, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

void tempdir_remove(void)
{
	close(dirfd_);
	dirfd_ = -1;
	ck_assert_int_eq(nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int tempdir_fd(void)
{
	return dirfd_;
}

const char *tempdir_path(void)
{
	return path;
}

void tempdir_put(const char *name, const void *data, size_t len)
{
	int fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	if (len > 0)
		ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	ck_assert_int_eq(close(fd), 0);
}

int tempdir_has(const char *name, const void *data, size_t len)
{
	int fd = openat(dirfd_, name, O_RDONLY | O_NOFOLLOW);
	char *bytes = malloc(len + 1);
	int equal;

	ck_assert_ptr_nonnull(bytes);
	equal = fd >= 0 && read(fd, bytes, len + 1) == (ssize_t)len &&
		memcmp(bytes, data, len) == 0;
	free(bytes);
	if (fd >= 0)
		close(fd);
	return equal;
}

int tempdir_count(void)
{
	int fd = openat(dirfd_, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fdopendir(fd);
	int n = -2; /* "." and ".." */

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
