/* SPDX-License-Identifier: ISC */
/*
 * Exit codes, an interface never changed, and how a failure is told: one line
 * with what was being done, to what, why, and what to do next.
 */
#ifndef COFFER_CLI_EXIT_H
#define COFFER_CLI_EXIT_H

#include "base/err.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_WRONG_KEY = 10,
	EXIT_NOT_VAULT = 11,
	EXIT_DAMAGE = 12,
	EXIT_IN_USE = 13,
	EXIT_MOUNTPOINT = 14,
	EXIT_NO_SPACE = 15,
	EXIT_NEWER = 16,
	EXIT_INTERRUPTED = 17,
};

/* The exit code a negative error of any layer ends the program with. */
int exit_code_of(int err);

/* The graver of two exit codes: a failure before success, a specific one
 * before EXIT_FAILED. */
int exit_code_worse(int a, int b);

/* Prints "coffer: <text>: <err_text(err)>"; gives the code of err. */
int fail_err(int err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints "coffer: <text>"; gives `code`. */
int fail_code(int code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints "coffer: <text>; try `coffer help'"; gives EXIT_USAGE. */
int fail_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
