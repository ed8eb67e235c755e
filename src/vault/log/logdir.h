/* SPDX-License-Identifier: ISC */
/*
 * The log folders w/<writer>/l as files: which segments are there, and one of
 * them read and authenticated (vault-format/07-segments.md).  Internal to
 * vault; no lock is needed, and none that forbids the disk may be held.
 */
#ifndef COFFER_VAULT_LOG_LOGDIR_H
#define COFFER_VAULT_LOG_LOGDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/segment.h"
#include "vault/core.h"

#define SEGMENT_PREFIX_BYTES 8

struct log_name {
	uint64_t seq;
	uint8_t prefix[SEGMENT_PREFIX_BYTES]; /* of the file's hash */
};

struct log_names {
	struct log_name *names; /* ascending by seq, then prefix; owned */
	size_t n, cap;
	uint64_t n_foreign; /* other files there */
	/* When the folder changed last: equal times mean the same names. */
	struct timespec changed;
};

void log_names_release(struct log_names *l);
#define auto_log_names __attribute__((cleanup(log_names_release)))

/* The writers that have a folder in w/, ascending, in fresh memory (mem_free);
 * at most SEGMENT_MAX_WRITERS.  *ret_foreign: other entries of w/. */
int logdir_writers(struct vault *v, uint64_t **ret, size_t *ret_n,
		   uint64_t *ret_foreign) must_check;
/* The segments of a writer from `from_seq` on; none if it has no folder.
 * `ret` was zeroed or released before. */
int logdir_list(struct vault *v, uint64_t writer, uint64_t from_seq,
		struct log_names *ret) must_check;
/* The same of w/<writer>/<part>, whose files are named alike; and the folder
 * itself, made if need be: a descriptor, -ENOENT. */
int logdir_list_part(struct vault *v, uint64_t writer, const char *part,
		     uint64_t from_seq, struct log_names *ret) must_check;
int logdir_open_part(struct vault *v, uint64_t writer, const char *part,
		     bool create) must_check;
/* When the folder changed last, without listing it: 1; 0: absent. */
int logdir_changed(struct vault *v, uint64_t writer, struct timespec *ret)
	must_check;
/* False while a folder that changed then may change again without its time
 * changing: time stamps are as coarse as the kernel's tick, or two seconds on
 * FAT. */
bool logdir_is_settled(const struct timespec *changed);
/* The first name of a seq; NULL. */
const struct log_name *log_names_find(const struct log_names *l, uint64_t seq);

/* A segment in memory. */
struct log_segment {
	struct segment_header header;
	struct file_hash hash; /* of the whole file */
	uint8_t *plain;	       /* owned; what `body` points into */
	size_t plain_bytes;
	struct segment_body body;
};

void log_segment_release(struct log_segment *s);
#define auto_log_segment __attribute__((cleanup(log_segment_release)))

/*
 * Reads one and authenticates all of it: hash prefix, vault, writer and seq as
 * its path says.  `ret` was zeroed or released before.  ERR_NEW_EPOCH: the
 * keyring has no such key; -ENOENT.  ERR_BAD_SEAL, ERR_TRUNCATED, ERR_BAD_NAME,
 * ERR_DAMAGED: not authentic, so perhaps not complete yet.  ERR_MALFORMED,
 * ERR_NEWER, ERR_LIMIT: authentic, and not to be applied.
 */
int logdir_read(struct vault *v, uint64_t writer, const struct log_name *name,
		struct log_segment *ret) must_check;
/* The same for bytes in memory. */
int log_segment_open(struct vault *v, uint64_t writer, uint64_t seq,
		     const uint8_t *file, size_t bytes,
		     struct log_segment *ret) must_check;

/* w/<own>/l for publishing, made if it is not there. */
int logdir_open_own(struct vault *v, bool create) must_check;

/* w/<writer>/l of any writer for a repair, made if it is not there. */
int logdir_open(struct vault *v, uint64_t writer) must_check;

/* "w/<writer>/l/<name>" for messages, at most 60 characters. */
#define LOG_PATH_BYTES 64
void logdir_path(uint64_t writer, const struct log_name *name,
		 char to[static LOG_PATH_BYTES]);

#endif
