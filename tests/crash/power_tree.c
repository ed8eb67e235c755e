/* SPDX-License-Identifier: ISC */
#include "power_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "power_env.h"

static void copy_file(const char *from, const char *to)
{
	static char room[1 << 16];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		power_die("copying %s to %s: %s", from, to, strerror(errno));
	while ((n = read(in, room, sizeof(room))) > 0)
		if (write(out, room, (size_t)n) != n)
			power_die("writing %s: %s", to, strerror(errno));
	close(in);
	close(out);
}

void power_tree_copy(const char *from, const char *to)
{
	DIR *d = opendir(from);
	char part[1024];
	struct dirent *e;

	if (!d)
		power_die("%s: %s", from, strerror(errno));
	/* Folders above it, too. */
	for (const char *at = to + 1; (at = strchr(at, '/')); at++) {
		snprintf(part, sizeof(part), "%.*s", (int)(at - to), to);
		(void)mkdir(part, 0700);
	}
	(void)mkdir(to, 0700);
	while ((e = readdir(d))) {
		char a[1024], b[1024];
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(a, sizeof(a), "%s/%s", from, e->d_name);
		snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
		if (stat(a, &st) < 0)
			power_die("%s: %s", a, strerror(errno));
		if (S_ISDIR(st.st_mode))
			power_tree_copy(a, b);
		else if (access(b, F_OK) < 0)
			copy_file(a, b);
	}
	closedir(d);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void power_tree_remove(const char *path)
{
	if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS) < 0 &&
	    errno != ENOENT)
		power_die("removing %s: %s", path, strerror(errno));
}

/* ---------------------------------------------------------------- calm */

static int no_sync(struct env *env, int fd)
{
	(void)env;
	(void)fd;
	return 0;
}

/* The posix operations look at no field of their environment. */
struct env *power_calm_env(void)
{
	static struct env_ops ops;
	static struct env calm = { .ops = &ops };

	ops = *env_posix()->ops;
	ops.fsync = no_sync;
	ops.fdatasync = no_sync;
	return &calm;
}
