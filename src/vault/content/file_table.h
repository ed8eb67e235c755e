/* SPDX-License-Identifier: ISC */
/*
 * Files with contents in memory, by inode number.  Internal to vault.
 *
 * A file is in the table while somebody refers to it, while it has layers, or
 * while an error waits to be told; a few of the others stay for what they
 * remember of reading ahead.
 */
#ifndef COFFER_VAULT_CONTENT_FILE_TABLE_H
#define COFFER_VAULT_CONTENT_FILE_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/lock.h"
#include "vault/content/layer.h"

/* A stream being written: dirty data without gap. */
struct file_stream {
	uint64_t start; /* what is before is chunked already */
	uint64_t end;
	bool is_queued; /* a worker will look at it */
};

/* What was cut where its data ended (vault/content/tail.h). */
struct file_tail {
	uint64_t start;	   /* the content gave a cut here, as far as known; */
	uint64_t joined;   /* as one chunk up to here, */
	uint64_t end;	   /* and in more pieces up to here */
	unsigned n_pieces; /* of those */
};

/* How a file is read (vault/content/readahead.c). */
struct file_reading {
	uint64_t next;	     /* where a sequential read would go on */
	uint64_t ahead;	     /* decrypted, or asked for, up to here */
	unsigned n_in_order; /* reads that went on so */
	unsigned window;     /* chunks to be ahead */
	bool is_queued;
};

struct file {
	uint64_t ino;
	struct lock lock; /* LOCK_INODE, by ino */
	/* The file's lock: */
	struct layer *dirty;	/* takes writes; NULL */
	struct layer *flushing; /* a cut has taken it; NULL */
	uint64_t size;		/* the node's, while `dirty` */
	struct layer *in_batch; /* its data is being chunked; NULL */
	struct cond batch_over;
	struct file_stream stream;
	struct file_tail tail;
	struct file_reading reading;
	/* No lock: */
	atomic_bool has_layers;
	atomic_int error;		/* for vault_take_error */
	/* Of it that are no holes, layers and rows together, while it has
	 * layers: what a cut moves from one to the other changes nothing. */
	_Atomic uint64_t data_bytes; /* changed under its lock */
	/* The table's lock: */
	unsigned refs;
	struct file *hash_next;
	struct file *list_prev, *list_next; /* dirty or idle ones */
	enum { FILE_IN_NO_LIST, FILE_IS_DIRTY, FILE_IS_IDLE } list;
};

struct file_list {
	struct file *first, *last;
	size_t n;
};

struct file_table {
	struct lock lock; /* LOCK_LEAF */
	struct file **buckets;
	size_t n_buckets; /* a power of two */
	size_t n_files;
	struct file_list dirty; /* first: dirty for longest */
	struct file_list idle;	/* first: unused for longest */
};

int file_table_init(struct file_table *t) must_check;
/* Nobody refers to a file any more; drops all layers. */
void file_table_release(struct file_table *t);

/* The file of an inode, made if it is not there; -ENOMEM. */
int file_get(struct file_table *t, uint64_t ino, struct file **ret) must_check;
/* The same if it is there; NULL. */
struct file *file_find(struct file_table *t, uint64_t ino) must_check;
void file_put(struct file_table *t, struct file *f);

/* Tells the table whether the file has layers.  The file's lock is held. */
void file_note_layers(struct file_table *t, struct file *f);

/* Refers to the dirty files, at most `max` from the oldest on, in *ret (room
 * for that many); returns how many. */
size_t file_list_dirty(struct file_table *t, size_t max, struct file **ret);
size_t file_count_dirty(struct file_table *t);

/* Without making the file: */
bool file_has_layers(struct file_table *t, uint64_t ino);
/* False: it has no layers, and the node tells. */
bool file_get_data_bytes(struct file_table *t, uint64_t ino, uint64_t *ret);

#endif
