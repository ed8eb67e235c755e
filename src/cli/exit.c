/* SPDX-License-Identifier: ISC */
#include "cli/exit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/diag.h"

#define LINE_BYTES 1024

int exit_code_of(int err)
{
	switch (err) {
	case ERR_WRONG_KEY:
	case ERR_NO_SLOT:
		return EXIT_WRONG_KEY;
	case ERR_NOT_VAULT:
		return EXIT_NOT_VAULT;
	case ERR_BAD_SEAL:
	case ERR_TRUNCATED:
	case ERR_MALFORMED:
	case ERR_LIMIT:
	case ERR_BAD_NAME:
	case ERR_DAMAGED:
	case ERR_MISSING:
	case ERR_FORKED:
	case ERR_ROLLED_BACK:
	case ERR_KDF_LIMIT:
	case ERR_STRANGER:
		return EXIT_DAMAGE;
	case ERR_IN_USE:
		return EXIT_IN_USE;
	case ERR_NO_DEVICE:
	case ERR_BAD_MOUNTPOINT:
		return EXIT_MOUNTPOINT;
	case -ENOSPC:
	case -EDQUOT:
		return EXIT_NO_SPACE;
	case ERR_NEWER:
		return EXIT_NEWER;
	case ERR_INTERRUPTED:
	case -EINTR:
		return EXIT_INTERRUPTED;
	default:
		return err < 0 ? EXIT_FAILED : EXIT_DONE;
	}
}

int exit_code_worse(int a, int b)
{
	if (a == EXIT_DONE || (a == EXIT_FAILED && b != EXIT_DONE))
		return b;
	return a;
}

int fail_err(int err, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	diag_err(DIAG_ERROR, err, "%s", line);
	return exit_code_of(err);
}

int fail_code(int code, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	diag(DIAG_ERROR, "%s", line);
	return code;
}

int fail_usage(const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	diag(DIAG_ERROR, "%s; see `coffer help'", line);
	return EXIT_USAGE;
}
