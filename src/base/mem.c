/* SPDX-License-Identifier: ISC */
#include "base/mem.h"

#include <assert.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE_BYTES (1 << 20)

static_assert(SIZE_MAX > MEM_MAX, "a 64-bit size_t");

/* The fault hook: allocations left until the one that fails; 0 is off. */
static atomic_ulong fail_left;
static atomic_bool fail_sticky;
static atomic_bool fail_fired;

static bool fail_now(void)
{
	unsigned long left =
		atomic_load_explicit(&fail_left, memory_order_relaxed);

	do {
		if (left == 0)
			return false;
		if (left == 1 && atomic_load(&fail_sticky))
			break;
	} while (!atomic_compare_exchange_weak(&fail_left, &left, left - 1));
	if (left > 1)
		return false;
	atomic_store(&fail_fired, true);
	return true;
}

void mem_fail_nth(unsigned long nth, bool sticky)
{
	atomic_store(&fail_sticky, sticky);
	atomic_store(&fail_fired, false);
	atomic_store(&fail_left, nth);
}

bool mem_fail_hit(void)
{
	return atomic_load(&fail_fired);
}

/* Raises 0 to 1: C leaves malloc(0) and realloc(p, 0) to the libc. */
static bool size_allowed(size_t *size)
{
	if (*size > MEM_MAX || fail_now())
		return false;
	if (*size == 0)
		*size = 1;
	return true;
}

/*
 * glibc would raise both limits to twice the largest block it has seen freed, up
 * to 32 MiB (mallopt(3), M_MMAP_THRESHOLD): after the first large segment all
 * others come from its heaps, and those keep their size.
 */
void mem_start(void)
{
#ifdef M_MMAP_THRESHOLD
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
#endif
}

void *mem_alloc(size_t size)
{
	return size_allowed(&size) ? malloc(size) : NULL;
}

void *mem_zalloc(size_t size)
{
	return size_allowed(&size) ? calloc(1, size) : NULL;
}

void *mem_zalloc_array(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	return mem_zalloc(total);
}

void *mem_realloc_array(void *p, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total) || !size_allowed(&total))
		return NULL;
	return realloc(p, total);
}

void *mem_dup(const void *p, size_t size)
{
	void *copy = mem_alloc(size);

	if (copy && size > 0)
		memcpy(copy, p, size);
	return copy;
}

char *mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s) + 1);
}

static char *printf_alloc(const char *format, va_list ap)
	__attribute__((format(printf, 1, 0)));

static char *printf_alloc(const char *format, va_list ap)
{
	va_list again;
	char *text;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0)
		return NULL;
	text = mem_alloc((size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, format, ap);
	return text;
}

char *mem_printf(const char *format, ...)
{
	va_list ap;
	char *text;

	va_start(ap, format);
	text = printf_alloc(format, ap);
	va_end(ap);
	return text;
}

void mem_free(void *p)
{
	free(p);
}

void mem_wipe(void *p, size_t size)
{
	if (size > 0)
		explicit_bzero(p, size);
}

void mem_free_cleanup(void *pp)
{
	void *p;

	/* `pp` points to a pointer of any type: memcpy, not a cast, keeps to
	 * the aliasing rules (C17, 6.5 paragraph 7). */
	memcpy(&p, pp, sizeof(p));
	mem_free(p);
}
