/* SPDX-License-Identifier: ISC */
/* Numbers as people write and read them: sizes, durations, times, modes. */
#ifndef COFFER_CLI_UNITS_H
#define COFFER_CLI_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* "32M", "1G", "4096": bytes, in powers of 1024.  -EINVAL, -ERANGE. */
int units_parse_size(const char *text, uint64_t *ret_bytes) must_check;
/* "30", "90s", "30m", "2h", "1d": seconds.  -EINVAL, -ERANGE. */
int units_parse_duration(const char *text, uint32_t *ret_s) must_check;
/* A number in `base` (8 or 10) up to `max`, nothing after it. */
int units_parse_number(const char *text, int base, uint64_t max,
		       uint64_t *ret) must_check;

#define UNITS_SIZE_BYTES 16
#define UNITS_TIME_BYTES 64
#define UNITS_MODE_BYTES 11

/* "1.5 MiB" */
const char *units_format_size(uint64_t bytes, char to[static UNITS_SIZE_BYTES]);
/* Local time, "2026-03-01 17:04:05"; with `exact` nanoseconds and zone. */
const char *units_format_time(int64_t ns, int exact,
			      char to[static UNITS_TIME_BYTES]);
/* "drwxr-xr-x" */
const char *units_format_mode(uint32_t mode, char to[static UNITS_MODE_BYTES]);
/* "file", "directory", "symlink", "fifo", "socket", "char", "block". */
const char *units_kind(uint32_t mode);

#endif
