/* SPDX-License-Identifier: ISC */
/*
 * Wiping takes 0.2 of the 5.3 us that a created file costs the index: SQLite
 * recycles its pages and frees mostly small blocks (tests/bench/bench_index.c).
 * A block is preceded by its size, which SQLite asks for and wiping needs;
 * 8 bytes keep the alignment that SQLite wants (Memory Allocation Routines,
 * sqlite3_mem_methods: "aligned to at least an 8-byte boundary").
 */
#include "index/heap_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <sqlite3.h>

#include "base/mem.h"

#define HEAD_BYTES 8

static pthread_once_t configure_once = PTHREAD_ONCE_INIT;
static int configure_result;

/* The size after rounding up, without the head. */
static size_t block_bytes(const uint8_t *p)
{
	uint64_t n;

	memcpy(&n, p - HEAD_BYTES, sizeof(n));
	return (size_t)n;
}

static void *heap_malloc(int n)
{
	const uint64_t n_bytes = (uint64_t)n;
	uint8_t *raw;

	raw = mem_alloc(HEAD_BYTES + (size_t)n_bytes);
	if (!raw)
		return NULL;
	memcpy(raw, &n_bytes, sizeof(n_bytes));
	return raw + HEAD_BYTES;
}

static void heap_free(void *p)
{
	uint8_t *block = p;

	mem_wipe(block, block_bytes(block));
	mem_free(block - HEAD_BYTES);
}

/* Never realloc(3): it may leave the old bytes behind. */
static void *heap_realloc(void *p, int n)
{
	size_t old = block_bytes(p);
	void *grown;

	if ((size_t)n <= old && old - (size_t)n < old / 2)
		return p;
	grown = heap_malloc(n);
	if (!grown)
		return NULL;
	memcpy(grown, p, min_of(old, (size_t)n));
	heap_free(p);
	return grown;
}

static int heap_size(void *p)
{
	return (int)block_bytes(p);
}

static int heap_roundup(int n)
{
	return (n + 7) & ~7;
}

static int heap_init(void *arg)
{
	(void)arg;
	return SQLITE_OK;
}

static void heap_shutdown(void *arg)
{
	(void)arg;
}

static const sqlite3_mem_methods methods = {
	.xMalloc = heap_malloc,
	.xFree = heap_free,
	.xRealloc = heap_realloc,
	.xSize = heap_size,
	.xRoundup = heap_roundup,
	.xInit = heap_init,
	.xShutdown = heap_shutdown,
};

/*
 * Statistics would take a mutex at each allocation.  Statement journals stay
 * in memory, and nothing is mapped whatever a pragma says: the VFS opens one
 * file only.
 */
static void configure(void)
{
	int rc;

	rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
	if (rc == SQLITE_OK)
		rc = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (rc == SQLITE_OK)
		rc = sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
	if (rc == SQLITE_OK)
		rc = sqlite3_config(SQLITE_CONFIG_MMAP_SIZE, (sqlite3_int64)0,
				    (sqlite3_int64)0);
	if (rc == SQLITE_OK)
		rc = sqlite3_config(SQLITE_CONFIG_URI, 0);
	configure_result = rc == SQLITE_OK ? 0 : -EBUSY;
}

int heap_start(void)
{
	pthread_once(&configure_once, configure);
	if (configure_result < 0)
		return configure_result;
	return sqlite3_initialize() == SQLITE_OK ? 0 : -ENOMEM;
}
