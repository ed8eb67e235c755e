/* SPDX-License-Identifier: ISC */
/*
 * A disk that runs full, fails or waits when it is told to: the real one
 * behind a struct env.  One a test case; thread-safe where the real one is.
 */
#ifndef COFFER_TESTS_DISK_H
#define COFFER_TESTS_DISK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"

enum disk_call {
	DISK_NONE,
	DISK_OPEN,
	DISK_PWRITE,
	DISK_FSYNC,
	DISK_FDATASYNC,
	DISK_RENAME,
	DISK_UNLINK,
	DISK_ALLOCATE,
	DISK_TRUNCATE,
	DISK_N_CALLS
};

#define DISK_PLENTY INT64_MAX

struct disk {
	struct env env;

	/* Bytes files may still grow by; a write beyond is cut short and
	 * -ENOSPC.  With `copies` an overwrite needs room too. */
	_Atomic int64_t room;
	bool copies;

	/* That call fails, from the one numbered fail_at (1 is the next) on;
	 * with `fail_late` a write is done in full before it fails. */
	enum disk_call fail;
	atomic_int fail_at;
	int fail_err;
	bool fail_late;

	int nowait_err;	      /* of pread_nowait; 0: as the real one */
	size_t nowait_max;    /* bytes it gives at most, if not 0 */
	int no_allocate;      /* the error of allocate; 0: works */
	int no_tmpfile;	      /* the error of O_TMPFILE */
	uint64_t flip_at;     /* the offset of a byte written wrong; 0: none */
	uint64_t blocks_free; /* what statvfs says, if not 0 */

	/* Run before each write, and after each open. */
	void (*on_pwrite)(void);
	void (*on_open)(void);

	atomic_int n[DISK_N_CALLS];
	atomic_int n_open; /* descriptors open now */
	atomic_int max_open;
};

void disk_init(struct disk *d);

/* The call given fails from the nth one on (1 is the next). */
void disk_fail(struct disk *d, enum disk_call call, int nth, int err);
void disk_mend(struct disk *d);

#endif
