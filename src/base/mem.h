/* SPDX-License-Identifier: ISC */
/*
 * Memory: checked allocation, cleanup attributes, wiping, checked arithmetic.
 *
 * Every allocation of the project goes through here, so that tests can fail
 * the Nth one (mem_fail_nth).  Memory returned is not zeroed unless said.
 */
#ifndef COFFER_BASE_MEM_H
#define COFFER_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Largest single allocation: nothing sized by input may exceed it. */
#define MEM_MAX ((size_t)1 << 32)

/* At the start of a program: what large blocks took goes back to the system when
 * they are freed. */
void mem_start(void);

/* NULL on failure or above MEM_MAX.  A size of 0 gives a valid pointer. */
void *mem_alloc(size_t size) __attribute__((malloc, warn_unused_result));
void *mem_zalloc(size_t size) __attribute__((malloc, warn_unused_result));
/* n elements of `size` bytes, zeroed; NULL if the product overflows. */
void *mem_zalloc_array(size_t n, size_t size)
	__attribute__((malloc, warn_unused_result));
/* Grows or shrinks; on failure NULL and the old block is kept. */
void *mem_realloc_array(void *p, size_t n, size_t size)
	__attribute__((warn_unused_result));
void *mem_dup(const void *p, size_t size)
	__attribute__((malloc, warn_unused_result));
char *mem_strdup(const char *s) __attribute__((malloc, warn_unused_result));
/* snprintf into fresh memory; NULL on failure. */
char *mem_printf(const char *format, ...)
	__attribute__((format(printf, 1, 2), warn_unused_result));
void mem_free(void *p);

/* Overwrites with zeros, never optimised away. */
void mem_wipe(void *p, size_t size);

/*
 * Test hook: the nth allocation from now fails (1 = the next); 0 switches
 * off; with `sticky` all after it fail too.  mem_fail_hit() tells whether it
 * fired.  Not for concurrent use.
 */
void mem_fail_nth(unsigned long nth, bool sticky);
bool mem_fail_hit(void);

/* Releases a local pointer at the end of its scope. */
void mem_free_cleanup(void *pp);
#define auto_free __attribute__((cleanup(mem_free_cleanup)))

/* Hands ownership out of an auto_free local: returns it and clears it. */
#define mem_take(p)                                                           \
	__extension__({                                                       \
		__typeof__(p) mem_take_ = (p);                                \
		(p) = NULL;                                                   \
		mem_take_;                                                    \
	})

#define container_of(ptr, type, member)                                       \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define array_len(a) (sizeof(a) / sizeof((a)[0]))
#define min_of(a, b) ((a) < (b) ? (a) : (b))
#define max_of(a, b) ((a) > (b) ? (a) : (b))

#endif
