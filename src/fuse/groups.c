/* SPDX-License-Identifier: ISC */
#include "fuse/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define FIELD "\nGroups:"
/* NGROUPS_MAX (65536) numbers of up to ten digits and a blank, and the other
 * lines. */
#define STATUS_BYTES ((size_t)768 << 10)

bool groups_text_has(const char *status, gid_t gid)
{
	const char *at = strstr(status, FIELD);

	if (!at)
		return false;
	at += strlen(FIELD);
	for (;;) {
		char *end;
		unsigned long n;

		at += strspn(at, " \t");
		/* The end of the line, which strtoul would step over. */
		if (*at < '0' || *at > '9')
			return false;
		n = strtoul(at, &end, 10);
		if (n == gid)
			return true;
		at = end;
	}
}

/* The whole file; NULL if it cannot be read or is too long. */
static char *read_status(int fd)
{
	auto_free char *text = mem_alloc(STATUS_BYTES);
	size_t used = 0;

	while (text && used < STATUS_BYTES) {
		ssize_t n = read(fd, text + used, STATUS_BYTES - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return NULL;
		if (n == 0) {
			text[used] = '\0';
			return mem_take(text);
		}
		used += (size_t)n;
	}
	return NULL;
}

bool groups_has(pid_t pid, gid_t gid)
{
	auto_free char *text = NULL;
	char path[64];
	int fd;

	if (pid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	text = read_status(fd);
	close(fd);
	return text && groups_text_has(text, gid);
}
