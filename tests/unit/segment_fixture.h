/* SPDX-License-Identifier: ISC */
/* A segment of this writer in the making, and its file. */
#ifndef COFFER_TESTS_SEGMENT_FIXTURE_H
#define COFFER_TESTS_SEGMENT_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "crypto/keys.h"
#include "format/segment.h"

#define FX_SELF UINT64_C(0x5152535455565758)
#define FX_WORK_BYTES ((size_t)160 << 20)

/* Epoch 3, seq 2, without operations, at 1000, until something is added. */
struct segment_fixture {
	struct epoch_keys keys;
	struct segment_header header;
	struct segment_body body;
	struct buf vv, packs, required, ops; /* the body's lists */
};

extern struct segment_fixture fx;

void fx_start(void);
void fx_stop(void);
void add_vv(uint64_t writer, uint64_t context, uint64_t ack);
/* Announces a pack of `n` records of `plain` bytes. */
void add_pack(uint32_t n, uint32_t plain);
void add_required(uint64_t writer);
/* The op_sample of that name. */
void add_op(const char *sample, hlc_t clock, unsigned flags);
/* One of everything. */
void add_all(void);
/* Points the body at its lists; fx_seal does so itself. */
void fx_join(void);
int fx_seal(struct buf *file);

/* A sealed file, and what a reader makes of it. */
struct file {
	struct buf buf;
	uint8_t *plain;
	struct segment_body got;
};

void file_make(struct file *f);
/* Of a struct file: header, then segment_open. */
int open_file(void *file);
void file_release(struct file *f);

#endif
