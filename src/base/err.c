/* SPDX-License-Identifier: ISC */
#include "base/err.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Numbers below belong to the kernel (include/linux/err.h, MAX_ERRNO). */
#define ERRNO_MAX 4095

struct err_row {
	const char *name;
	int parent;
	const char *sentence;
};

static const struct err_row *err_find(int err)
{
	/* A switch rather than an index: a number used twice fails to
	 * compile, and gaps are allowed. */
	switch (err) {
#define ERR_CASE_(name, number, parent, sentence)                              \
	case ERR_##name: {                                                     \
		static const struct err_row row = { #name, parent, sentence }; \
		return &row;                                                   \
	}
		ERR_TABLE(ERR_CASE_)
#undef ERR_CASE_
	default:
		return NULL;
	}
}

static const char *errno_name(int number)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
	return strerrorname_np(number);
#else
	(void)number;
	return "ERRNO";
#endif
}

/* strerror() of glibc is not thread-safe for unknown numbers. */
static const char *errno_text(int number)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
	return strerrordesc_np(number);
#else
	return strerror(number);
#endif
}

const char *err_name(int err)
{
	const struct err_row *row;
	const char *name = NULL;

	if (err >= 0)
		return "OK";
	row = err_find(err);
	if (row)
		return row->name;
	if (err >= -ERRNO_MAX)
		name = errno_name(-err);
	return name ? name : "UNKNOWN";
}

const char *err_text(int err)
{
	const struct err_row *row;
	const char *text = NULL;

	if (err >= 0)
		return "success";
	row = err_find(err);
	if (row)
		return row->sentence;
	if (err >= -ERRNO_MAX)
		text = errno_text(-err);
	return text ? text : "unknown error";
}

int err_errno(int err)
{
	const struct err_row *row;

	if (err >= 0)
		return 0;
	row = err_find(err);
	if (row)
		return row->parent;
	return err >= -ERRNO_MAX ? -err : EIO;
}
