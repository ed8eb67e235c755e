/* SPDX-License-Identifier: ISC */
#include "fuse/mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "fuse/unmounter.h"

#define FUSERMOUNT "fusermount3"
/* Where libfuse looks first, and distributions put it. */
#define FUSERMOUNT_PATH "/usr/bin/" FUSERMOUNT

#define FUSE_CONF "/etc/fuse.conf"
#define FUSE_CONF_BYTES ((size_t)64 << 10)

/* Two paths of PATH_MAX bytes, each written as \\ooo, and numbers. */
#define MOUNTINFO_LINE_BYTES ((size_t)64 << 10)

static int refuse(const char *reason, const char **ret_reason)
{
	*ret_reason = reason;
	return ERR_BAD_MOUNTPOINT;
}

/* Is `inner` the directory `outer`, or below it?  Both resolved. */
static bool is_inside(const char *inner, const char *outer)
{
	size_t n = strlen(outer);

	if (strcmp(outer, "/") == 0)
		return true;
	return strncmp(inner, outer, n) == 0 &&
	       (inner[n] == '\0' || inner[n] == '/');
}

static int check_overlap(const char *path, const char *vault_path,
			 const char **ret_reason)
{
	char here[PATH_MAX], vault[PATH_MAX];

	if (!realpath(path, here) || !realpath(vault_path, vault))
		return refuse("cannot be resolved", ret_reason);
	if (strcmp(here, vault) == 0)
		return refuse("is the vault itself", ret_reason);
	if (is_inside(here, vault))
		return refuse("is inside the vault", ret_reason);
	if (is_inside(vault, here))
		return refuse("contains the vault, and would hide it",
			      ret_reason);
	return 0;
}

static int check_empty(const char *path, const char **ret_reason)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	if (!dir)
		return refuse("cannot be read", ret_reason);
	while (n <= 2 && readdir(dir))
		n++;
	closedir(dir);
	if (n > 2)
		return refuse("is not empty (-o nonempty mounts over it)",
			      ret_reason);
	return 0;
}

static const char *stat_reason(int err)
{
	switch (err) {
	case ENOENT:
		return "does not exist";
	case ENOTCONN:
		return "holds a mount whose daemon has ended "
		       "(fusermount3 -u takes it away)";
	case EACCES:
		return "cannot be reached: permission denied";
	case ENOTDIR:
		return "is not a directory";
	default:
		return "cannot be examined";
	}
}

/* A mount of FUSE, dead or alive.  The kernel may answer stat(2) for a dead one
 * from its cache, but never this. */
static int check_mounted(const char *path, bool nonempty,
			 const char **ret_reason)
{
	char here[PATH_MAX];
	struct statfs fs;
	dev_t dev;

	if (statfs(path, &fs) < 0)
		return refuse(stat_reason(errno), ret_reason);
	if (nonempty || fs.f_type != FUSE_SUPER_MAGIC || !realpath(path, here))
		return 0;
	if (mountpoint_top(here, &dev) == 1)
		return refuse("holds a FUSE mount already", ret_reason);
	return 0;
}

int mountpoint_check(const char *path, const char *vault_path, bool nonempty,
		     const char **ret_reason)
{
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return refuse(stat_reason(errno), ret_reason);
	if (!S_ISDIR(st.st_mode))
		return refuse("is not a directory", ret_reason);
	r = check_mounted(path, nonempty, ret_reason);
	if (r == 0 && vault_path)
		r = check_overlap(path, vault_path, ret_reason);
	if (r < 0)
		return r;
	/* fusermount3 asks for this, and names no reason. */
	if (geteuid() != 0 && access(path, W_OK) < 0)
		return refuse("is not writable for you", ret_reason);
	return nonempty ? 0 : check_empty(path, ret_reason);
}

static bool has_fusermount(void)
{
	const char *at = getenv("PATH");

	if (access(FUSERMOUNT_PATH, X_OK) == 0)
		return true;
	while (at && *at) {
		int n = (int)strcspn(at, ":");
		auto_free char *name = mem_printf("%.*s/" FUSERMOUNT, n, at);

		if (name && access(name, X_OK) == 0)
			return true;
		at += n + (at[n] == ':');
	}
	return false;
}

int mountpoint_check_fuse(const char **ret_reason)
{
	struct stat st;

	if (stat("/dev/fuse", &st) < 0) {
		*ret_reason = "/dev/fuse does not exist (modprobe fuse)";
		return ERR_NO_DEVICE;
	}
	if (!S_ISCHR(st.st_mode)) {
		*ret_reason = "/dev/fuse is no device";
		return ERR_NO_DEVICE;
	}
	if (access("/dev/fuse", R_OK | W_OK) < 0) {
		*ret_reason = "/dev/fuse may not be opened";
		return ERR_NO_DEVICE;
	}
	if (geteuid() != 0 && !has_fusermount()) {
		*ret_reason = FUSERMOUNT " is not installed (package fuse3)";
		return ERR_NO_DEVICE;
	}
	return 0;
}

/* A line of its own, with blanks around it and a comment after it. */
bool mountpoint_conf_lets_in(const char *text)
{
	const char *word = "user_allow_other";

	for (;;) {
		text += strspn(text, " \t\n");
		if (!*text)
			return false;
		if (strncmp(text, word, strlen(word)) == 0) {
			text += strlen(word);
			text += strspn(text, " \t");
			if (!*text || *text == '\n' || *text == '#')
				return true;
		}
		text += strcspn(text, "\n");
	}
}

bool mountpoint_may_let_in(void)
{
	auto_free char *text = mem_zalloc(FUSE_CONF_BYTES);
	ssize_t n;
	int fd;

	if (geteuid() == 0)
		return true;
	fd = open(FUSE_CONF, O_RDONLY | O_CLOEXEC);
	/* Without the file nobody is; what cannot be read fusermount3 may
	 * know more of. */
	if (fd < 0)
		return errno != ENOENT;
	n = text ? read(fd, text, FUSE_CONF_BYTES - 1) : -1;
	close(fd);
	return n < 0 || mountpoint_conf_lets_in(text);
}

/* Undoes mountinfo's octal escapes of blank, tab, newline and backslash
 * (proc(5)) while comparing one field with `path`. */
static bool field_is(const char *field, size_t len, const char *path)
{
	size_t i = 0;

	for (; i < len && *path; path++) {
		char c = field[i++];

		if (c == '\\' && i + 3 <= len) {
			c = (char)((field[i] - '0') << 6 |
				   (field[i + 1] - '0') << 3 |
				   (field[i + 2] - '0'));
			i += 3;
		}
		if (c != *path)
			return false;
	}
	return i == len && !*path;
}

bool mountpoint_parse_line(const char *line, const char *path, dev_t *ret)
{
	unsigned maj, min;
	int at = 0;

	/* 36 35 98:0 /mnt1 /mnt2 rw,noatime ... */
	if (sscanf(line, "%*u %*u %u:%u %*s %n", &maj, &min, &at) < 2 || !at)
		return false;
	if (!field_is(line + at, strcspn(line + at, " \n"), path))
		return false;
	*ret = makedev(maj, min);
	return true;
}

/* A line, or as much of it as fits: the path stands near its beginning.  False
 * at the end. */
static bool read_line(FILE *f, char *line, size_t cap)
{
	int c;

	if (!fgets(line, (int)cap, f))
		return false;
	if (!strchr(line, '\n')) {
		do
			c = getc(f);
		while (c != '\n' && c != EOF);
	}
	return true;
}

int mountpoint_top(const char *path, dev_t *ret)
{
	auto_free char *line = mem_alloc(MOUNTINFO_LINE_BYTES);
	FILE *f;
	dev_t dev = 0;
	int found = 0;

	if (!line)
		return -ENOMEM;
	f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return -errno;
	/* Later lines are mounted over earlier ones. */
	while (read_line(f, line, MOUNTINFO_LINE_BYTES)) {
		if (mountpoint_parse_line(line, path, &dev))
			found = 1;
	}
	fclose(f);
	if (found)
		*ret = dev;
	return found;
}

static int spawn_fusermount(const char *path, bool detach, pid_t *ret_pid)
{
	char *argv[] = { (char[]){ FUSERMOUNT },
			 (char[]){ "-u" },
			 (char[]){ "-q" },
			 (char[]){ "-z" },
			 (char[]){ "--" },
			 NULL,
			 NULL };
	char **last = argv + 5;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	if (!detach) {
		argv[3] = argv[4];
		last--;
	}
	*last = mem_strdup(path);
	if (!*last)
		return -ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	/* It says "busy" itself, in other words than ours. */
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
					 O_WRONLY, 0);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawn(ret_pid, FUSERMOUNT_PATH, &actions, &attr, argv,
			environ);
	if (r == ENOENT)
		r = posix_spawnp(ret_pid, FUSERMOUNT, &actions, &attr, argv,
				 environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	mem_free(*last);
	return -r;
}

static int unmount_by_fusermount(const char *path, bool detach)
{
	pid_t pid;
	int status;
	int r = spawn_fusermount(path, detach, &pid);

	if (r < 0)
		return r;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	/* It tells no more than that it failed; mostly, what is there is in
	 * use. */
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

int mountpoint_unmount(const char *path, bool detach)
{
	int flags = UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0);
	int r, answer;

	if (umount2(path, flags) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	r = unmounter_ask(path, detach, &answer);
	if (r != 0)
		return r < 0 ? r : answer;
	return unmount_by_fusermount(path, detach);
}

static void write_line(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text));
	close(fd);
}

void mountpoint_set_read_ahead(dev_t dev, unsigned kib)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb",
		 major(dev), minor(dev));
	snprintf(text, sizeof(text), "%u", kib);
	write_line(path, text);
}

void mountpoint_abort(dev_t dev)
{
	char path[64];

	/* The kernel names a connection by the minor number. */
	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort",
		 minor(dev));
	write_line(path, "1");
}
