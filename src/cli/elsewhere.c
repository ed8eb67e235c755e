/* SPDX-License-Identifier: ISC */
#include "cli/elsewhere.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/mem.h"

/* Two paths, and options. */
#define LINE_BYTES ((size_t)16 << 10)

/* proc(5), /proc/PID/mountinfo: two numbers, major:minor, the root, where. */
static bool is_about(const char *line, dev_t dev,
		     char ret_path[static PATH_MAX])
{
	unsigned major_number, minor_number;
	int at = 0;
	size_t n;

	if (sscanf(line, "%*u %*u %u:%u %*s %n", &major_number, &minor_number,
		   &at) < 2 ||
	    at == 0 || makedev(major_number, minor_number) != dev)
		return false;
	n = min_of(strcspn(line + at, " \n"), (size_t)PATH_MAX - 1);
	memcpy(ret_path, line + at, n);
	ret_path[n] = '\0';
	return true;
}

/* Is it mounted as process `pid` sees it?  False also if we may not look. */
static bool is_seen_by(const char *pid, dev_t dev,
		       char ret_path[static PATH_MAX])
{
	auto_free char *path = mem_printf("/proc/%s/mountinfo", pid);
	FILE *f = path ? fopen(path, "re") : NULL;
	auto_free char *line = mem_alloc(LINE_BYTES);
	bool found = false;

	while (f && line && !found && fgets(line, (int)LINE_BYTES, f))
		found = is_about(line, dev, ret_path);
	if (f)
		fclose(f);
	return found;
}

/* 0: not to be seen. */
static ino_t namespace_of(const char *pid)
{
	auto_free char *path = mem_printf("/proc/%s/ns/mnt", pid);
	struct stat st;

	return path && stat(path, &st) == 0 ? st.st_ino : 0;
}

static char *words_for(const char *pid)
{
	auto_free char *path = mem_printf("/proc/%s/comm", pid);
	FILE *f = path ? fopen(path, "re") : NULL;
	char name[32] = "";

	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = '\0';
		fclose(f);
	}
	name[strcspn(name, "\n")] = '\0';
	return mem_printf("in the mount namespace of process %s (%s)", pid,
			  name);
}

/* Namespaces have many processes each: the last one looked at is known. */
static int look_around(dev_t dev, DIR *proc, char **ret)
{
	const ino_t own = namespace_of("self");
	char path[PATH_MAX];
	const struct dirent *e;
	ino_t last = 0;

	while ((e = readdir(proc))) {
		ino_t ns = 0;

		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			ns = namespace_of(e->d_name);
		if (ns == 0 || ns == own || ns == last)
			continue;
		last = ns;
		if (is_seen_by(e->d_name, dev, path)) {
			*ret = words_for(e->d_name);
			return *ret ? 1 : -ENOMEM;
		}
	}
	return 0;
}

int elsewhere_find(dev_t dev, char **ret)
{
	char path[PATH_MAX];
	DIR *proc;
	int r;

	if (is_seen_by("self", dev, path)) {
		*ret = mem_printf("on %s", path);
		return *ret ? 1 : -ENOMEM;
	}
	proc = opendir("/proc");
	if (!proc)
		return 0;
	r = look_around(dev, proc, ret);
	closedir(proc);
	return r;
}
