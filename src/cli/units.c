/* SPDX-License-Identifier: ISC */
#include "cli/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

static int parse_prefix(const char *text, int base, uint64_t *ret,
			const char **ret_rest)
{
	unsigned long long n;
	char *end;

	/* strtoull takes blanks and signs. */
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, base);
	if (errno == ERANGE)
		return -ERANGE;
	if (end == text)
		return -EINVAL;
	*ret = n;
	*ret_rest = end;
	return 0;
}

int units_parse_number(const char *text, int base, uint64_t max, uint64_t *ret)
{
	const char *rest;
	uint64_t n;
	int r = parse_prefix(text, base, &n, &rest);

	if (r < 0)
		return r;
	if (*rest)
		return -EINVAL;
	if (n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	const char *rest, *unit;
	unsigned shift = 0;
	uint64_t n;
	int r = parse_prefix(text, 10, &n, &rest);

	if (r < 0)
		return r;
	if (*rest) {
		char letter = *rest == 'k' ? 'K' : *rest;

		unit = strchr(units, letter);
		if (!unit)
			return -EINVAL;
		shift = 10U * (unsigned)(unit - units + 1);
		rest++;
		/* 32M, 32MiB */
		if (*rest && strcmp(rest, "iB") != 0)
			return -EINVAL;
	}
	if (shift && n >> (64 - shift))
		return -ERANGE;
	*ret_bytes = n << shift;
	return 0;
}

int units_parse_duration(const char *text, uint32_t *ret_s)
{
	static const struct {
		char letter;
		uint32_t s;
	} units[] = {
		{ 's', 1 },
		{ 'm', 60 },
		{ 'h', 60 * 60 },
		{ 'd', 24 * 60 * 60 },
	};
	const char *rest;
	uint64_t n, each = 0;
	int r = parse_prefix(text, 10, &n, &rest);

	if (r < 0)
		return r;
	if (!*rest)
		each = 1;
	for (size_t i = 0; i < array_len(units); i++) {
		if (rest[0] == units[i].letter && !rest[1])
			each = units[i].s;
	}
	if (!each)
		return -EINVAL;
	if (n > UINT32_MAX / each)
		return -ERANGE;
	*ret_s = (uint32_t)(n * each);
	return 0;
}

const char *units_format_size(uint64_t bytes, char to[static UNITS_SIZE_BYTES])
{
	static const char *const units[] = { "KiB", "MiB", "GiB",
					     "TiB", "PiB", "EiB" };
	double n = (double)bytes;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(to, UNITS_SIZE_BYTES, "%" PRIu64 " B", bytes);
		return to;
	}
	for (n /= 1024; n >= 1023.95 && i + 1 < array_len(units); i++)
		n /= 1024;
	snprintf(to, UNITS_SIZE_BYTES, "%.1f %s", n, units[i]);
	return to;
}

const char *units_format_time(int64_t ns, int exact,
			      char to[static UNITS_TIME_BYTES])
{
	/* Towards the past, also before 1970. */
	int64_t rest = ns % NS_PER_S;
	time_t s = (time_t)(ns / NS_PER_S) - (rest < 0);
	struct tm tm;
	char date[24], zone[8];

	if (rest < 0)
		rest += NS_PER_S;
	if (!localtime_r(&s, &tm) ||
	    !strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm)) {
		snprintf(to, UNITS_TIME_BYTES, "@%" PRId64, (int64_t)s);
		return to;
	}
	if (!exact) {
		snprintf(to, UNITS_TIME_BYTES, "%s", date);
		return to;
	}
	if (!strftime(zone, sizeof(zone), "%z", &tm))
		zone[0] = '\0';
	snprintf(to, UNITS_TIME_BYTES, "%s.%09" PRId64 " %s", date, rest, zone);
	return to;
}

static char kind_letter(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	default:
		return '-';
	}
}

/* The third letter of each group tells set-user-ID, set-group-ID and the
 * sticky bit too (ls(1)). */
static char execute_letter(uint32_t mode, uint32_t bit, uint32_t special,
			   char letter)
{
	if (!(mode & special))
		return mode & bit ? 'x' : '-';
	return mode & bit ? letter : (char)(letter - 'a' + 'A');
}

const char *units_format_mode(uint32_t mode, char to[static UNITS_MODE_BYTES])
{
	to[0] = kind_letter(mode);
	for (int i = 0; i < 9; i++)
		to[1 + i] = mode & (0400U >> i) ? "rwx"[i % 3] : '-';
	to[3] = execute_letter(mode, 0100, S_ISUID, 's');
	to[6] = execute_letter(mode, 0010, S_ISGID, 's');
	to[9] = execute_letter(mode, 0001, S_ISVTX, 't');
	to[10] = '\0';
	return to;
}

const char *units_kind(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	default:
		return "file";
	}
}
