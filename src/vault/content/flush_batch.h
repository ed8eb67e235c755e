/* SPDX-License-Identifier: ISC */
/*
 * A batch: data runs of some layers on their way to chunks.  Internal to
 * vault.
 *
 * batch_add takes references to what the runs hold, under the file's lock;
 * batch_run cuts, hashes and interns without any lock, with the workers;
 * batch_apply puts chunk and inline runs where the data still is what was
 * taken.  Not thread-safe: one thread drives it.
 */
#ifndef COFFER_VAULT_CONTENT_FLUSH_BATCH_H
#define COFFER_VAULT_CONTENT_FLUSH_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/content/content_priv.h"

/* Which data of a layer to take. */
struct flush_choice {
	bool is_cut; /* all; what is short enough becomes inline */
	/* Else ranges of data that are not short, and: */
	uint64_t min_bytes; /* at least so long, */
	uint64_t before_ns; /* not written to since (0: any) */
	bool is_stream;	    /* the end of a range is not the end of a chunk */
};

/* Part of a data run. */
struct source {
	uint64_t offset, length;
	struct databuf *buf; /* a reference */
	uint32_t at;
};

/* Sources without a gap between them. */
struct range {
	size_t first, n; /* sources */
	size_t file;
	bool is_end; /* its last byte may end a chunk */
	struct tail *tail; /* what its first source is of; NULL; owned */
	bool tail_stands;  /* set by batch_apply */
	/* Set by batch_run if its last byte ends a chunk: where that begins. */
	bool is_cut_short;
	uint64_t last;
};

/* What becomes one extent. */
struct piece {
	uint64_t offset;
	uint32_t length;
	uint32_t at;	     /* in buf */
	struct databuf *buf; /* a reference: a source's, or bytes of several
				put together */
	bool is_inline;
	struct content_id id;
	struct chunk *chunk; /* a reference; set by batch_run */
	size_t range;
};

struct batch_file {
	struct file *f;	     /* a reference of the caller's */
	struct layer *layer; /* a reference */
	int err;
};

struct batch {
	struct content *c;
	struct batch_file *files;
	size_t n_files, cap_files;
	struct source *sources;
	size_t n_sources, cap_sources;
	struct range *ranges;
	size_t n_ranges, cap_ranges;
	struct piece *pieces;
	size_t n_pieces, cap_pieces;
	uint64_t bytes; /* in sources */
	uint64_t max_bytes;
	uint8_t *scratch; /* chunk_max bytes */
};

void batch_init(struct batch *b, struct content *c);
/* Drops what it holds; as it was after batch_init. */
void batch_release(struct batch *b);
#define auto_batch __attribute__((cleanup(batch_release)))

/* Is it time to run it? */
bool batch_is_full(const struct batch *b);

/*
 * Takes data of a layer of the file, as long as the batch is not full.  The
 * file's lock is held.  *ret_any: was there some?  -ENOMEM.
 */
int batch_add(struct batch *b, struct file *f, struct layer *l,
	      const struct flush_choice *choice, bool *ret_any) must_check;

/* Chunks and interns everything, `is_cut` as in what chose it.  An error is
 * kept with the file. */
void batch_run(struct batch *b, bool is_cut);

/*
 * Puts the results into the layers; each file's lock is taken for it.  `fn`,
 * under that lock, gets what became of each file.
 */
typedef void batch_done_fn(void *arg, struct file *f, struct layer *l, int err);
void batch_apply(struct batch *b, batch_done_fn *fn, void *arg);

#endif
